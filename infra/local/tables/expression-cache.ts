import { validations, type Fields, type Value } from "./dynalite.ts";

/** Stands for a value of the request in a remembered expression. */
class Placeholder {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

const texts = [
  "UpdateExpression",
  "ConditionExpression",
  "KeyConditionExpression",
  "FilterExpression",
  "ProjectionExpression",
];
const parsed = ["_updates", "_condition", "_keyCondition", "_filter", "_projection"];
/** The parser looks at the values of these, not only at their types. Key conditions are checked again after it. */
const dependsOnValues = /\b(between|attribute_type)\b/i;
const maxRemembered = 1000;

/**
 * Remembers parsed expressions by their text, names and types of values: dynalite's parsers take 0.2-0.5 ms each, which
 * is more than all the rest of a small write.
 */
export function cacheExpressions(): void {
  const parse = validations.validateExpressions;
  const remembered = new Map<string, Fields>();
  validations.validateExpressions = (data) => {
    const values = (data["ExpressionAttributeValues"] ?? {}) as Record<string, Value>;
    const shape = shapeOf(data, values);
    const template = shape === null ? undefined : remembered.get(shape);
    if (template !== undefined) return invalidValue(values) ?? void Object.assign(data, fill(template, values));
    const problem = parse(data);
    if (problem || shape === null) return problem;
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(shape, templateOf(data, values));
    return undefined;
  };
}

function shapeOf(data: Fields, values: Record<string, Value>): string | null {
  if (texts.some((name) => name !== "KeyConditionExpression" && dependsOnValues.test(textOf(data[name])))) return null;
  const expressions = texts.map((name) => data[name] ?? null);
  const types = Object.entries(values).map(([name, value]) => [name, Object.keys(value)]);
  return JSON.stringify([expressions, data["ExpressionAttributeNames"] ?? null, types]);
}

function textOf(expression: unknown): string {
  return typeof expression === "string" ? expression : "";
}

function invalidValue(values: Record<string, Value>): string | undefined {
  for (const [name, value] of Object.entries(values)) {
    const problem = validations.validateAttributeValue(value);
    if (problem) return `ExpressionAttributeValues contains invalid value: ${problem} for key ${name}`;
  }
  return undefined;
}

function templateOf(data: Fields, values: Record<string, Value>): Fields {
  const names = new Map<unknown, Placeholder>(
    Object.entries(values).map(([name, value]) => [value, new Placeholder(name)]),
  );
  const trees = parsed.filter((name) => data[name] !== undefined).map((name) => [name, data[name]]);
  return copy(Object.fromEntries(trees), (node) => names.get(node)) as Fields;
}

function fill(template: Fields, values: Record<string, Value>): Fields {
  return copy(template, (node) => (node instanceof Placeholder ? values[node.name] : undefined)) as Fields;
}

/** A deep copy, since dynalite changes the trees that it works with. */
function copy(node: unknown, replace: (node: object) => unknown): unknown {
  if (typeof node !== "object" || node === null) return node;
  const replacement = replace(node);
  if (replacement !== undefined) return replacement;
  if (Array.isArray(node)) return node.map((member) => copy(member, replace));
  const twin: Record<string, unknown> = Object.create(Object.getPrototypeOf(node) as object | null);
  for (const [name, member] of Object.entries(node)) twin[name] = copy(member, replace);
  return twin;
}
