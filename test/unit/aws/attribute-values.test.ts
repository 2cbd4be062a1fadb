import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import fc from "fast-check";
import { fromWire, itemFromWire, itemToWire, toWire } from "../../../shared/adapters/aws/attribute-values.ts";

/** The SDK takes an object with either of these for another than a plain one. */
const name = fc.string({ minLength: 1 }).filter((one) => !["constructor", "__proto__"].includes(one));
const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }),
    fc.array(tie("any"), { maxLength: 4 }),
    fc.dictionary(name, tie("any"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).any;
const item = fc.dictionary(name, value, { maxKeys: 5, noNullPrototype: true });

test("is what the SDK makes of any item, there and back", () => {
  fc.assert(
    fc.property(item, (one) => {
      const wire = itemToWire(one);
      expect(wire).toEqual(marshall(one, { removeUndefinedValues: true }));
      expect(itemFromWire(wire)).toEqual(unmarshall(wire as never));
    }),
  );
});

test("takes members for members, whatever they are called", () => {
  const item = JSON.parse('{"map":{"__proto__":{"a":1},"constructor":"b"}}') as object;
  expect(JSON.stringify(itemFromWire(itemToWire(item)))).toBe(JSON.stringify(item));
});

test("keeps sets of text and of numbers", () => {
  for (const set of [new Set(["a", "b"]), new Set([1, -2.5])]) expect(fromWire(toWire(set))).toEqual(set);
});

test.each([
  ["a number that would come back as another", 2 ** 53],
  ["no number", Number.NaN],
  ["a number without end", Number.POSITIVE_INFINITY],
  ["a date", new Date(0)],
  ["a function", () => 1],
  ["an empty set", new Set()],
  ["a mixed set", new Set(["a", 1])],
])("refuses %s", (_name, given) => {
  expect(() => toWire(given)).toThrow();
});

test("refuses a stored number that is none of JavaScript's, and a type that nothing of ours has", () => {
  expect(() => fromWire({ N: "9007199254740993" })).toThrow("no safe integer");
  expect(() => fromWire({ B: "AAAA" })).toThrow("no type of ours");
});
