/** How expressions speak of an attribute. */
interface Token {
  /** `#head` */
  reference: string;
  /** `:head_u0`: for a change, since there is one of each attribute. */
  changed: string;
  /** `#head = :head_u0` */
  set: string;
  /** `:head0`, `:head1`, ...: for conditions, which may compare it more than once. */
  compared: string[];
}

const tokens = new Map<string, Token>();

export function tokenOf(name: string): Token {
  const known = tokens.get(name);
  if (known) return known;
  const [reference, changed] = [`#${name}`, `:${name}_u0`];
  const token = { reference, changed, set: `${reference} = ${changed}`, compared: [] };
  tokens.set(name, token);
  return token;
}

type Names = Readonly<Record<string, string>>;

const namesByTexts = new Map<string, Map<string, Names | null>>();

/** The names that two expressions use; null where they use none. */
export function namesIn(text: string, other: string): Names | null {
  const byOther = namesByTexts.get(text) ?? new Map<string, Names | null>();
  const known = byOther.get(other);
  if (known !== undefined) return known;
  const used = `${text} ${other}`.match(/#\w+/g) ?? [];
  const names = used.length > 0 ? Object.freeze(Object.fromEntries(used.map((name) => [name, name.slice(1)]))) : null;
  namesByTexts.set(text, byOther.set(other, names));
  return names;
}

type Compare = (name: string, value: unknown) => string;
type Exists = (name: string) => string;

export interface Operators {
  eq: Compare;
  ne: Compare;
  lt: Compare;
  lte: Compare;
  gt: Compare;
  gte: Compare;
  exists: Exists;
  notExists: Exists;
}

export type Where = (references: Names, operators: Operators) => string;

/** Conditions whose values are put into `values`. */
export function operatorsOf(values: Record<string, unknown>): Operators {
  const counts = new Map<string, number>();
  const comparing =
    (operator: string): Compare =>
    (name, value) => {
      if (name === undefined || value === undefined) throw new Error(`a condition on ${name} without a value`);
      const count = counts.get(name) ?? 0;
      counts.set(name, count + 1);
      const { reference, compared } = tokenOf(name);
      const key = (compared[count] ??= `:${name}${count}`);
      values[key] = value;
      return `${reference} ${operator} ${key}`;
    };
  return {
    eq: comparing("="),
    ne: comparing("<>"),
    lt: comparing("<"),
    lte: comparing("<="),
    gt: comparing(">"),
    gte: comparing(">="),
    exists: (name) => `attribute_exists(${tokenOf(name).reference})`,
    notExists: (name) => `attribute_not_exists(${tokenOf(name).reference})`,
  };
}
