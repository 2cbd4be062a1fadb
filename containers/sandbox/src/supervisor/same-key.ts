import { timingSafeEqual } from "node:crypto";

/** Takes as long for any key of the same length. */
export function isSameKey(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
