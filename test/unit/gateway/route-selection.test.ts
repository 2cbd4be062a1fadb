import { routeSelector } from "../../../infra/local/gateway/route-selection.ts";

const select = routeSelector("$request.body.type");

test.each([
  [`{"type":"ping"}`, "ping"],
  [`{"type":7}`, "7"],
  [`{"type":{"a":1}}`, null],
  [`{"type":null}`, null],
  [`{"other":"ping"}`, null],
  [`["type"]`, null],
  [`null`, null],
  [`"type"`, null],
  [`{"type":"ping"`, null],
  [``, null],
])("%s selects %s", (text, expected) => {
  expect(select(text)).toBe(expected);
});

test("only the message's own properties count", () => {
  expect(routeSelector("$request.body.constructor.name")("{}")).toBeNull();
});

test("nested values and the braced form", () => {
  expect(routeSelector("${request.body.a.b}")(`{"a":{"b":"x"}}`)).toBe("x");
});

test("an expression that is not about the body is refused", () => {
  expect(() => routeSelector("$request.header.x")).toThrow("$request.header.x");
});
