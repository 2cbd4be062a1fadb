import { isOverPayloadLimit, lambdaPayloadBytes, replyOf } from "../../../infra/local/gateway/http-reply.ts";

const returned = (payload: unknown) => {
  const { status, headers, body } = replyOf({ kind: "returned", payload });
  return { status, headers, body: body.toString("utf8") };
};
const json: [string, string][] = [["content-type", "application/json"]];

test.each([
  ["Hello", { status: 200, headers: json, body: "Hello" }],
  [{ message: "hi" }, { status: 200, headers: json, body: `{"message":"hi"}` }],
  [[1], { status: 200, headers: json, body: "[1]" }],
  [undefined, { status: 200, headers: json, body: "null" }],
])("a result without a status is the body of a 200: %j", (payload, expected) => {
  expect(returned(payload)).toEqual(expected);
});

test("a structured result", () => {
  const payload = {
    statusCode: "201",
    headers: { "X-Count": 3, "Content-Length": 99, Connection: "close", "X-None": null },
    cookies: ["a=1; Path=/", "b=2"],
    body: "aGk=",
    isBase64Encoded: true,
  };
  expect(returned(payload)).toEqual({
    status: 201,
    headers: [
      ["x-count", "3"],
      ["set-cookie", "a=1; Path=/"],
      ["set-cookie", "b=2"],
      ["content-type", "text/plain;charset=UTF-8"],
    ],
    body: "hi",
  });
});

test.each([
  [{ statusCode: 200, body: { a: 1 } }],
  [{ statusCode: "teapot" }],
  [{ statusCode: 99 }],
  [{ statusCode: null }],
  [{ statusCode: 200, cookies: "a=1" }],
  [{ statusCode: 200, headers: { a: { b: 1 } } }],
])("a malformed result is a 500: %j", (payload) => {
  expect(returned(payload)).toEqual({ status: 500, headers: json, body: `{"message":"Internal Server Error"}` });
});

test.each([
  [{ kind: "threw", errorType: "Error", errorMessage: "secret", trace: [] }, 500, "Internal Server Error"],
  [{ kind: "timed_out", seconds: 3 }, 500, "Internal Server Error"],
  [{ kind: "crashed", message: "out of memory" }, 500, "Internal Server Error"],
  [{ kind: "throttled" }, 503, "Service Unavailable"],
  [{ kind: "integration_timeout" }, 503, "Service Unavailable"],
] as const)("%j", (outcome, status, message) => {
  const reply = replyOf(outcome as Parameters<typeof replyOf>[0]);
  expect(reply.status).toBe(status);
  expect(reply.body.toString()).toBe(JSON.stringify({ message }));
});

test("the payload limit counts JSON, not bytes", () => {
  const escaped = "\u0001".repeat(1.1 * 1024 * 1024);
  expect(isOverPayloadLimit(escaped, escaped.length)).toBe(true);
  const plain = "a".repeat(lambdaPayloadBytes - 2);
  expect(isOverPayloadLimit(plain, plain.length)).toBe(false);
  expect(isOverPayloadLimit(`${plain}a`, plain.length + 1)).toBe(true);
  expect(returned({ statusCode: 200, body: plain }).status).toBe(500);
});
