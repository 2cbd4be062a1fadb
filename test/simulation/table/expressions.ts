import { Reader, type Bindings, type Item } from "./expression-reader.ts";

export type { Bindings, Item };

type Test = (item: Item, bindings: Bindings) => boolean;
type Change = (item: Item, before: Item, bindings: Bindings) => void;

const tests = new Map<string, Test>();
const changes = new Map<string, Change>();

/** The condition as a function, read once per text. */
export function condition(text: string): Test {
  const known = tests.get(text);
  if (known) return known;
  const test = new Reader(text).whole((reader) => reader.disjunction());
  tests.set(text, test);
  return test;
}

/** The update as a function that changes the item in place, from what was there before. */
export function update(text: string): Change {
  const known = changes.get(text);
  if (known) return known;
  const change = new Reader(text).whole((reader) => reader.update());
  changes.set(text, change);
  return change;
}
