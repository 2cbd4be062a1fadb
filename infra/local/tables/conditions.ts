import { dynalite, type Expression, type Item, type Operand, type Value } from "./dynalite.ts";

/**
 * Whether an item satisfies a parsed condition or filter expression.
 * Own evaluation, since dynalite compares maps and lists by reference and strings by UTF-16 units.
 */
export function matches(item: Item, expression: Expression): boolean {
  const [left, right] = expression.args;
  if (expression.type === "and") return matches(item, asExpression(left)) && matches(item, asExpression(right));
  if (expression.type === "or") return matches(item, asExpression(left)) || matches(item, asExpression(right));
  if (expression.type === "not") return !matches(item, asExpression(left));
  const [value, ...operands] = expression.args.map((operand) => resolve(operand, item));
  return holds(expression.type === "function" ? (expression.name ?? "") : expression.type, value, operands);
}

function holds(operator: string, value: Value | undefined, operands: (Value | undefined)[]): boolean {
  const [first, second] = operands;
  switch (operator) {
    case "=":
      return value !== undefined && first !== undefined && sameValue(value, first);
    case "<>":
      return value === undefined || first === undefined ? value !== first : !sameValue(value, first);
    case "<":
    case "<=":
    case ">":
    case ">=":
      return ordered(operator, value, first);
    case "between":
      return ordered(">=", value, first) && ordered("<=", value, second);
    case "in":
      return value !== undefined && operands.some((operand) => operand !== undefined && sameValue(value, operand));
    case "attribute_exists":
      return value !== undefined;
    case "attribute_not_exists":
      return value === undefined;
    case "attribute_type":
      return value !== undefined && typeOf(value) === first?.S;
    case "begins_with":
      return beginsWith(value, first);
    case "contains":
      return contains(value, first);
    default:
      throw new Error(`Unknown operator in an expression: ${operator}`);
  }
}

function resolve(operand: Operand, item: Item): Value | undefined {
  if (Array.isArray(operand)) return dynalite.mapPath(operand, item) ?? undefined;
  if (!isExpression(operand)) return operand;
  const [argument] = operand.args;
  return argument === undefined ? undefined : sizeOf(resolve(argument, item));
}

function sizeOf(value: Value | undefined): Value | undefined {
  if (value === undefined) return undefined;
  if (value.S !== undefined) return { N: String(Buffer.byteLength(value.S)) };
  if (value.B !== undefined) return { N: String(Buffer.byteLength(value.B, "base64")) };
  const members = value.SS ?? value.NS ?? value.BS ?? value.L ?? (value.M && Object.keys(value.M));
  return members && { N: String(members.length) };
}

function ordered(operator: "<" | "<=" | ">" | ">=", value: Value | undefined, operand: Value | undefined): boolean {
  if (value === undefined || operand === undefined || typeOf(value) !== typeOf(operand)) return false;
  if (value.N !== undefined) return dynalite.compare(operator, value, [operand]);
  const order = byteOrder(value, operand);
  if (order === null) return false;
  if (operator === "<") return order < 0;
  if (operator === "<=") return order <= 0;
  return operator === ">" ? order > 0 : order >= 0;
}

function byteOrder(one: Value, other: Value): number | null {
  const [left, right] = [bytesOf(one), bytesOf(other)];
  return left === null || right === null ? null : Buffer.compare(left, right);
}

function bytesOf(value: Value): Buffer | null {
  if (value.S !== undefined) return Buffer.from(value.S, "utf8");
  return value.B === undefined ? null : Buffer.from(value.B, "base64");
}

function beginsWith(value: Value | undefined, prefix: Value | undefined): boolean {
  if (value?.S !== undefined) return prefix?.S !== undefined && value.S.startsWith(prefix.S);
  if (value?.B === undefined || prefix?.B === undefined) return false;
  const [bytes, start] = [Buffer.from(value.B, "base64"), Buffer.from(prefix.B, "base64")];
  return bytes.subarray(0, start.length).equals(start);
}

function contains(value: Value | undefined, part: Value | undefined): boolean {
  if (value === undefined || part === undefined) return false;
  if (value.L !== undefined) return value.L.some((member) => sameValue(member, part));
  if (part.S !== undefined) return value.S?.includes(part.S) ?? value.SS?.includes(part.S) ?? false;
  if (part.N !== undefined) return value.NS?.includes(part.N) ?? false;
  if (part.B === undefined) return false;
  if (value.B !== undefined) return Buffer.from(value.B, "base64").includes(Buffer.from(part.B, "base64"));
  return value.BS?.includes(part.B) ?? false;
}

/** Deep equality: sets without order, numbers by value (both sides are normalised when they are read). */
function sameValue(one: Value, other: Value): boolean {
  const type = typeOf(one);
  if (type !== typeOf(other)) return false;
  if (one.L !== undefined && other.L !== undefined) return sameList(one.L, other.L);
  if (one.M !== undefined && other.M !== undefined) return sameItem(one.M, other.M);
  const [left, right] = [one[type], other[type]];
  if (!Array.isArray(left) || !Array.isArray(right)) return left === right;
  const members = new Set<unknown>(right);
  return left.length === right.length && left.every((member) => members.has(member));
}

function sameList(one: Value[], other: Value[]): boolean {
  if (one.length !== other.length) return false;
  return one.every((value, at) => {
    const twin = other[at];
    return twin !== undefined && sameValue(value, twin);
  });
}

export function sameItem(one: Item, other: Item): boolean {
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => {
    const [left, right] = [one[name], other[name]];
    return left !== undefined && right !== undefined && sameValue(left, right);
  });
}

function typeOf(value: Value): keyof Value {
  return Object.keys(value)[0] as keyof Value;
}

function isExpression(operand: Operand): operand is Expression {
  return typeof operand === "object" && "args" in operand;
}

function asExpression(operand: Operand | undefined): Expression {
  if (operand === undefined || Array.isArray(operand) || !isExpression(operand)) throw new Error("Not a condition");
  return operand;
}
