import { answerObjections, findOperation } from "../../support/answer-check.ts";
import { recordedSockets } from "../../support/fakes.ts";
import { messageObjections, takeMismatches } from "../../support/message-check.ts";
import { checkWebhook } from "../../support/webhook-check.ts";

/** The checks that every answer and message of the test run goes through find what they are for. */
const health = { status: "ok", version: "1", websocket_url: "wss://x.test", model: "m" };
const headers = { "x-request-id": "r", "content-type": "application/json", "cache-control": "no-store" };
const problem = { type: "t", title: "Not found", status: 404, code: "not_found", request_id: "r" };
const seen = (body: unknown, status = 200, more: Record<string, string> = {}) => ({
  status,
  headers: { ...headers, ...(status >= 400 ? { "content-type": "application/problem+json" } : {}), ...more },
  text: JSON.stringify(body),
});

test("an answer as documented passes", () => {
  expect(answerObjections("GET", "/health", seen(health))).toEqual([]);
  expect(answerObjections("GET", "/sessions/x", seen(problem, 404))).toEqual([]);
  expect(answerObjections("GET", "/nowhere", seen(problem, 404))).toEqual([]);
});

test.each([
  ["a field too much", seen({ ...health, secret: 1 }), "secret"],
  ["a field too few", seen({ ...health, model: undefined }), "model"],
  ["a wrong type", seen({ ...health, version: 1 }), "/version"],
  ["another status", seen(health, 201), "status 201"],
  ["a header too much", seen(health, 200, { "x-powered-by": "us" }), "x-powered-by"],
  ["no request id", { ...seen(health), headers: { "content-type": "application/json" } }, "x-request-id"],
  ["another content type", seen(health, 200, { "content-type": "text/html" }), "text/html"],
])("%s is found", (_name, answer, found) => {
  expect(answerObjections("GET", "/health", answer).join()).toContain(found);
});

test.each([
  ["a code of another status", { ...problem, code: "conflict" }],
  ["a status that is not the answer's", { ...problem, status: 500 }],
  ["a code that is none", { ...problem, code: "oops" }],
  ["a field too much", { ...problem, stack: "at" }],
])("of a problem, %s is found", (_name, body) => {
  expect(answerObjections("GET", "/sessions/x", seen(body, 404))).not.toEqual([]);
});

test("a code that the operation does not have is found", () => {
  const taken = { ...problem, status: 409, code: "email_taken" };
  expect(answerObjections("POST", "/auth/register", seen(taken, 409))).toEqual([]);
  expect(answerObjections("POST", "/sessions", seen(taken, 409))).not.toEqual([]);
});

test("a request meets the operation whose path has fewer parameters", () => {
  expect(findOperation("POST", "/members/invites")?.operation.operationId).toBe("createInvite");
  expect(findOperation("HEAD", "/sessions/x")?.operation.operationId).toBe("readSession");
  expect(findOperation("GET", "/sessions/a/b/c/d/e")).toBeNull();
});

const event = {
  v: 1,
  type: "turn.started",
  session_id: "2b1f8a6e-9d53-4c19-8f1e-0a5a3c7d9e42",
  seq: 1,
  at: "2026-11-21T09:00:00.000Z",
  turn_id: "trn_01JD0000000000000000000000",
  data: {},
};
const ack = { type: "ack", request_id: "r", result: { at: event.at } };

test("messages as documented pass", () => {
  for (const message of [event, ack, { type: "ack", request_id: null, error: { code: "busy", message: "m" } }])
    expect(messageObjections(JSON.stringify(message))).toEqual([]);
  expect(messageObjections(JSON.stringify(ack), "ping")).toEqual([]);
});

test.each([
  ["an unknown type", { ...event, type: "turn.paused" }],
  ["a live seq on a durable event", { ...event, seq: null }],
  ["a field too much", { ...event, tenant_id: "ten_1" }],
  ["a field of data too much", { ...event, data: { prompt: "p" } }],
  ["an ack of nothing", { type: "ack", request_id: "r" }],
  ["an ack with a result that no frame has", { ...ack, result: { secret: 1 } }],
  ["an ack with an unknown code", { type: "ack", request_id: "r", error: { code: "oops", message: "m" } }],
])("of a message, %s is found", (_name, message) => {
  expect(messageObjections(JSON.stringify(message))).toHaveLength(1);
});

test("a result of another frame is found where the frame is known", () => {
  expect(messageObjections(JSON.stringify(ack), "message.send")).toHaveLength(1);
});

test("whatever the product posts to a connection is checked, also where nobody looks at it", async () => {
  await recordedSockets().post("c1", JSON.stringify({ ...event, data: { prompt: "p" } }));
  expect(takeMismatches()).toHaveLength(1);
});

test("a webhook with a field too much, and one of an unknown type, are found", () => {
  const data = {
    event_id: "evt_1",
    tenant_id: "ten_01JD0000000000000000000000",
    webhook_id: "whk_01JD0000000000000000000000",
  };
  const body = { type: "webhook.test", timestamp: event.at, data };
  checkWebhook(JSON.stringify(body));
  expect(takeMismatches()).toEqual([]);
  checkWebhook(JSON.stringify({ ...body, data: { ...data, prompt: "p" } }));
  checkWebhook(JSON.stringify({ ...body, type: "turn.paused" }));
  expect(takeMismatches()).toHaveLength(2);
});
