import { added, compare, contains, equal, without, type Item, type Value } from "./values.ts";

export type { Item, Value };

export interface Bindings {
  names: Record<string, string>;
  values: Record<string, Value>;
}

type Read = (item: Item, bindings: Bindings) => Value;
type Test = (item: Item, bindings: Bindings) => boolean;
type Change = (item: Item, before: Item, bindings: Bindings) => void;

const comparisons: Record<string, (a: Value, b: Value) => boolean> = {
  "=": equal,
  "<>": (a, b) => !equal(a, b),
  "<": (a, b) => compare(a, b) < 0,
  "<=": (a, b) => compare(a, b) <= 0,
  ">": (a, b) => compare(a, b) > 0,
  ">=": (a, b) => compare(a, b) >= 0,
};

const tokenPattern = /\s*(<>|<=|>=|[()=<>,+-]|#?\w+|:\w+)/gy;

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  let end = 0;
  tokenPattern.lastIndex = 0;
  for (let match = tokenPattern.exec(text); match; match = tokenPattern.exec(text)) {
    tokens.push(match[1] ?? "");
    end = tokenPattern.lastIndex;
  }
  if (text.slice(end).trim() !== "") throw new Error(`cannot read the expression "${text}"`);
  return tokens;
}

/** A reader of DynamoDB's expression language: as much of it as ElectroDB writes, without nested paths. */
export class Reader {
  private at = 0;
  private readonly tokens: string[];

  constructor(text: string) {
    this.tokens = tokensOf(text);
  }

  whole<T>(read: (reader: Reader) => T): T {
    const result = read(this);
    if (this.next !== undefined) throw new Error(`unexpected ${this.next}`);
    return result;
  }

  disjunction(): Test {
    const parts = this.joined("OR", () => this.conjunction());
    return parts.length === 1 ? (parts[0] as Test) : (item, bound) => parts.some((part) => part(item, bound));
  }

  /** `SET a = b, c = c + d REMOVE e ADD f :n DELETE g :s` */
  update(): Change {
    const changes: Change[] = [];
    while (this.next !== undefined) {
      const clause = this.take().toUpperCase();
      changes.push(this.action(clause));
      while (this.next === ",") {
        this.take();
        changes.push(this.action(clause));
      }
    }
    return (item, before, bound) => {
      for (const change of changes) change(item, before, bound);
    };
  }

  private get next(): string | undefined {
    return this.tokens[this.at];
  }

  private take(expected?: string): string {
    const token = this.tokens[this.at];
    if (token === undefined || (expected !== undefined && token.toUpperCase() !== expected)) {
      throw new Error(`expected ${expected ?? "more"}, found ${token ?? "the end"}`);
    }
    this.at += 1;
    return token;
  }

  private joined(word: string, read: () => Test): Test[] {
    const parts = [read()];
    while (this.next?.toUpperCase() === word) {
      this.take();
      parts.push(read());
    }
    return parts;
  }

  private conjunction(): Test {
    const parts = this.joined("AND", () => this.negation());
    return parts.length === 1 ? (parts[0] as Test) : (item, bound) => parts.every((part) => part(item, bound));
  }

  private negation(): Test {
    if (this.next?.toUpperCase() !== "NOT") return this.condition();
    this.take();
    const negated = this.negation();
    return (item, bound) => !negated(item, bound);
  }

  private condition(): Test {
    if (this.next === "(") {
      this.take();
      const inner = this.disjunction();
      this.take(")");
      return inner;
    }
    return this.call() ?? this.comparison(this.operand());
  }

  private call(): Test | null {
    const name = this.next;
    if (name === undefined || this.tokens[this.at + 1] !== "(" || name === "size") return null;
    this.take();
    this.take("(");
    const [first = () => undefined, second = () => undefined] = this.list();
    this.take(")");
    switch (name) {
      case "attribute_exists":
        return (item, bound) => first(item, bound) !== undefined;
      case "attribute_not_exists":
        return (item, bound) => first(item, bound) === undefined;
      case "begins_with":
        return (item, bound) => {
          const value = first(item, bound);
          return typeof value === "string" && value.startsWith(String(second(item, bound)));
        };
      case "contains":
        return (item, bound) => contains(first(item, bound), second(item, bound));
      default:
        throw new Error(`unknown function ${name}`);
    }
  }

  private list(): Read[] {
    const operands = [this.operand()];
    while (this.next === ",") {
      this.take();
      operands.push(this.operand());
    }
    return operands;
  }

  private comparison(left: Read): Test {
    const operator = this.take().toUpperCase();
    if (operator === "BETWEEN") return this.between(left);
    if (operator === "IN") return this.membership(left);
    const right = this.operand();
    const test = comparisons[operator];
    if (!test) throw new Error(`unknown operator ${operator}`);
    return (item, bound) => {
      const value = left(item, bound);
      return value === undefined ? operator === "<>" : test(value, right(item, bound));
    };
  }

  private between(left: Read): Test {
    const low = this.operand();
    this.take("AND");
    const high = this.operand();
    return (item, bound) => {
      const value = left(item, bound);
      return compare(value, low(item, bound)) >= 0 && compare(value, high(item, bound)) <= 0;
    };
  }

  private membership(left: Read): Test {
    this.take("(");
    const choices = this.list();
    this.take(")");
    return (item, bound) => choices.some((choice) => equal(left(item, bound), choice(item, bound)));
  }

  private operand(): Read {
    const token = this.take();
    if (this.next === "(") return this.reading(token);
    if (token.startsWith(":")) return (_item, bound) => bound.values[token];
    return (item, bound) => item[bound.names[token] ?? token];
  }

  private reading(name: string): Read {
    this.take("(");
    const [first = () => undefined, second = () => undefined] = this.list();
    this.take(")");
    if (name === "if_not_exists") return (item, bound) => first(item, bound) ?? second(item, bound);
    if (name !== "size") throw new Error(`unknown function ${name}`);
    return (item, bound) => (first(item, bound) as { length?: number } | undefined)?.length;
  }

  private action(clause: string): Change {
    const path = this.take();
    const nameOf = (bound: Bindings) => bound.names[path] ?? path;
    if (clause === "REMOVE") return (item, _before, bound) => void (item[nameOf(bound)] = undefined);
    if (clause === "SET") {
      this.take("=");
      const value = this.sum();
      return (item, before, bound) => void (item[nameOf(bound)] = value(before, bound));
    }
    if (clause !== "ADD" && clause !== "DELETE") throw new Error(`unknown clause ${clause}`);
    const value = this.operand();
    const combine = clause === "ADD" ? added : without;
    return (item, before, bound) => {
      item[nameOf(bound)] = combine(before[nameOf(bound)], value(before, bound));
    };
  }

  private sum(): Read {
    const first = this.operand();
    const sign = this.next;
    if (sign !== "+" && sign !== "-") return first;
    this.take();
    const second = this.operand();
    return (item, bound) => Number(first(item, bound)) + (sign === "+" ? 1 : -1) * Number(second(item, bound));
  }
}
