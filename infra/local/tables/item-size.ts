import type { Item, Value } from "./dynalite.ts";

export const maxItemBytes = 400 * 1024;

/** Size in bytes as DynamoDB counts it: UTF-8 names and values, 3 bytes for a document plus 1 for each member. */
export function itemBytes(item: Item): number {
  let total = 0;
  for (const [name, value] of Object.entries(item)) total += Buffer.byteLength(name) + valueBytes(value);
  return total;
}

function valueBytes(value: Value): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S);
  if (value.N !== undefined) return numberBytes(value.N);
  if (value.B !== undefined) return Buffer.byteLength(value.B, "base64");
  if (value.SS !== undefined) return sum(value.SS, (text) => Buffer.byteLength(text));
  if (value.NS !== undefined) return sum(value.NS, numberBytes);
  if (value.BS !== undefined) return sum(value.BS, (text) => Buffer.byteLength(text, "base64"));
  if (value.L !== undefined) return 3 + sum(value.L, (member) => 1 + valueBytes(member));
  if (value.M !== undefined) return 3 + Object.keys(value.M).length + itemBytes(value.M);
  return 1;
}

/** Digits are kept in pairs on both sides of the point, without the empty pairs at either end. */
function numberBytes(text: string): number {
  const [whole = "", fraction = ""] = text.replace(/^-/, "").split(".");
  const pairs = `${whole.length % 2 ? "0" : ""}${whole}${fraction}${fraction.length % 2 ? "0" : ""}`;
  const kept = pairs.replace(/^(00)+/, "");
  const trailing = /(00)+$/.exec(kept)?.[0].length ?? 0;
  return 1 + (kept.length - trailing) / 2 + (text.startsWith("-") ? 1 : 0);
}

function sum<T>(members: T[], bytes: (member: T) => number): number {
  return members.reduce((total, member) => total + bytes(member), 0);
}
