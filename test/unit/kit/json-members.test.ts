import * as fc from "fast-check";
import { memberTexts } from "../../../functions/kit/json-members.ts";
import { JsonText, toJson } from "../../../shared/protocol/json-text.ts";

const members = (text: string) => Object.fromEntries(memberTexts(text));

it("gives each member as it was sent", () => {
  const text = ` { "a" : {"b":1, "2": 0 ,"1":[ ] } , "n":12345678901234567890,"x":1e400, "s": " \\" , } \\ud800 ü" ,"z":-0 } `;
  expect(members(text)).toEqual({
    a: '{"b":1,"2":0,"1":[]}',
    n: "12345678901234567890",
    x: "1e400",
    s: `" \\" , } \\ud800 ü"`,
    z: "-0",
  });
  expect(members("{}")).toEqual({});
  expect(members('{"a":1,"\\u0061":2}')).toEqual({ a: "2" });
  expect(memberTexts('{"__proto__":{"__proto__":1}}').get("__proto__")).toBe('{"__proto__":1}');
});

it("agrees with JSON.parse on any object, however it is indented", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 1, "\t", "\r\n"), (value, indent) => {
      const parsed = JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
      const found = memberTexts(JSON.stringify(value, null, indent));
      expect([...found.keys()].sort()).toEqual(Object.keys(parsed).sort());
      for (const [name, text] of found) expect(JSON.parse(text)).toEqual(parsed[name]);
      for (const [name, text] of found) expect(text).toBe(JSON.stringify(parsed[name]));
    }),
  );
});

it("goes through a text of half a megabyte in no time", () => {
  const text = JSON.stringify({ a: '"\\'.repeat(80_000), b: [[[]]], c: " ".repeat(100_000) }, null, 4);
  const started = performance.now();
  expect(members(text)["a"]).toBe(JSON.stringify('"\\'.repeat(80_000)));
  expect(performance.now() - started).toBeLessThan(1000);
});

describe("JSON with texts in it", () => {
  it("holds them as they are", () => {
    const session = {
      id: "s",
      messages: new JsonText('{"b":1,"2":0,"1":"\\ud800"}'),
      left: undefined,
      list: [undefined],
    };
    expect(toJson({ data: [session], next_cursor: null })).toBe(
      '{"data":[{"id":"s","messages":{"b":1,"2":0,"1":"\\ud800"},"list":[null]}],"next_cursor":null}',
    );
  });

  it("is JSON.stringify where there is none", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => expect(toJson(value)).toBe(JSON.stringify(value))));
    expect(toJson(new Date(0))).toBe(JSON.stringify(new Date(0)));
  });
});
