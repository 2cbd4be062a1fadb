/** An attribute as DynamoDB's JSON protocol has it: one member, named by its type. */
export type WireValue = Record<string, unknown>;
export type WireItem = Record<string, WireValue>;

/** A value of ours as DynamoDB takes it. Members that are undefined are left out. */
export function toWire(value: unknown): WireValue {
  if (typeof value === "string") return { S: value };
  if (typeof value === "number") return { N: numberText(value) };
  if (typeof value === "boolean") return { BOOL: value };
  if (value === null) return { NULL: true };
  if (Array.isArray(value)) return { L: value.filter((member) => member !== undefined).map(toWire) };
  if (value instanceof Set) return setToWire([...value]);
  if (isPlain(value)) return { M: itemToWire(value) };
  throw new Error(`DynamoDB has no type for ${describe(value)}`);
}

export function itemToWire(item: object): WireItem {
  // Not by assignment: somebody's JSON may have a member `__proto__`.
  const members = Object.entries(item).filter(([, value]) => value !== undefined);
  return Object.fromEntries(members.map(([name, value]) => [name, toWire(value)]));
}

export function fromWire(wire: WireValue): unknown {
  if (wire["S"] !== undefined) return wire["S"];
  if (wire["N"] !== undefined) return numberOf(wire["N"]);
  if (wire["BOOL"] !== undefined) return wire["BOOL"];
  if (wire["M"] !== undefined) return itemFromWire(wire["M"] as WireItem);
  if (wire["L"] !== undefined) return (wire["L"] as WireValue[]).map(fromWire);
  if (wire["NULL"] !== undefined) return null;
  if (wire["SS"] !== undefined) return new Set(wire["SS"] as string[]);
  if (wire["NS"] !== undefined) return new Set((wire["NS"] as unknown[]).map(numberOf));
  throw new Error(`no type of ours for DynamoDB's ${Object.keys(wire).join(", ")}`);
}

export function itemFromWire(wire: WireItem): Record<string, unknown> {
  return Object.fromEntries(Object.entries(wire).map(([name, value]) => [name, fromWire(value)]));
}

function setToWire(members: unknown[]): WireValue {
  if (members.length === 0) throw new Error("DynamoDB has no empty sets");
  if (members.every((member) => typeof member === "string")) return { SS: members };
  if (members.every((member) => typeof member === "number")) return { NS: members.map(numberText) };
  throw new Error("a set is of strings or of numbers");
}

function numberText(value: number): string {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
    throw new Error(`${value} would not come back as it is`);
  return String(value);
}

function numberOf(text: unknown): number {
  const value = Number(text);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new Error(`${String(text)} is no safe integer`);
  return value;
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const describe = (value: unknown) => (typeof value === "object" ? value?.constructor.name : typeof value);
