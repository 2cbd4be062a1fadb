export type Value = unknown;
export type Item = Record<string, Value>;

export function compare(a: Value, b: Value): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  return Number.NaN;
}

export function equal(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (a instanceof Set && b instanceof Set) return a.size === b.size && [...a].every((one) => b.has(one));
  return typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b);
}

export function contains(whole: Value, part: Value): boolean {
  if (typeof whole === "string") return whole.includes(String(part));
  if (whole instanceof Set) return whole.has(part);
  return Array.isArray(whole) && whole.some((one) => equal(one, part));
}

export function added(before: Value, value: Value): Value {
  if (value instanceof Set) return new Set([...((before as Set<Value> | undefined) ?? []), ...value]);
  return ((before as number | undefined) ?? 0) + (value as number);
}

export function without(before: Value, value: Value): Value {
  const left = new Set(before as Set<Value> | undefined);
  for (const one of value as Set<Value>) left.delete(one);
  return left.size > 0 ? left : undefined;
}
