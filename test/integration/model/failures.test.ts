import { call, say, type Answer, type Fault } from "../../../infra/local/model/answer.ts";
import type { RehearsalModel } from "../../../infra/local/model/server.ts";
import { AnthropicModel } from "../../../shared/adapters/model-anthropic.ts";
import type { ModelFailureKind } from "../../../shared/ports/model.ts";
import { ask, failureOf, listen, never, request, stage } from "./support.ts";

let server: RehearsalModel;
let model: AnthropicModel;
beforeAll(async () => ({ server, model } = await stage({}, { idleMs: 150, headersMs: 400 })));
afterAll(() => server.stop());

const answer: Answer = {
  content: [say("some text that streams in pieces ".repeat(10)), call("bash", { command: "ls" })],
};

const cases: [string, Fault, ModelFailureKind, number | null][] = [
  ["429 with retry-after", { kind: "status", status: 429, retryAfterSeconds: 7 }, "overloaded", 7000],
  ["529 without", { kind: "status", status: 529 }, "overloaded", null],
  ["500", { kind: "status", status: 500 }, "overloaded", null],
  ["504", { kind: "status", status: 504 }, "overloaded", null],
  ["400", { kind: "status", status: 400 }, "rejected", null],
  ["404", { kind: "status", status: 404 }, "no_such_model", null],
  ["413", { kind: "status", status: 413 }, "too_long", null],
  ["402", { kind: "status", status: 402 }, "payment", null],
  [
    "a spend limit, sent as 429",
    { kind: "status", status: 429, errorCode: "enforced_spend_limit_reached" },
    "payment",
    null,
  ],
  [
    "an overload whose status says otherwise",
    { kind: "status", status: 400, type: "overloaded_error" },
    "overloaded",
    null,
  ],
  ["403", { kind: "status", status: 403 }, "unauthorized", null],
  ["connection reset before the answer", { kind: "reset", afterEvents: 0 }, "overloaded", null],
  ["reset in the middle", { kind: "reset" }, "broken_stream", null],
  ["clean cut before the first event", { kind: "cut", afterEvents: 0 }, "broken_stream", null],
  ["clean cut in the middle", { kind: "cut" }, "broken_stream", null],
  ["clean cut just before message_stop", { kind: "cut", afterEvents: 1e9 }, "broken_stream", null],
  ["no stop reason", { kind: "no_stop_reason" }, "broken_stream", null],
  ["stall after the headers", { kind: "stall", afterEvents: 0 }, "broken_stream", null],
  ["stall in the middle", { kind: "stall" }, "broken_stream", null],
  ["malformed JSON", { kind: "malformed" }, "broken_stream", null],
  ["error event: overloaded", { kind: "error_event", type: "overloaded_error" }, "overloaded", null],
  ["error event: api_error", { kind: "error_event", type: "api_error" }, "overloaded", null],
  ["error event: invalid request", { kind: "error_event", type: "invalid_request_error" }, "rejected", null],
  ["error event: of an unknown type", { kind: "error_event", type: "new_error" }, "broken_stream", null],
];

it.each(cases)("%s", async (_, fault, kind, retryAfterMs) => {
  server.setScript([{ ...answer, fault }]);
  const failure = await failureOf(model.stream(request([ask("go")]), never));
  expect([failure.kind, failure.retryAfterMs]).toEqual([kind, retryAfterMs]);
  expect(server.calls().at(-1)?.usage).toBeNull();
});

it("works again after each of them", async () => {
  server.setScript([answer]);
  const { completed } = await listen(model.stream(request([ask("go")]), never));
  expect(completed.stopReason).toBe("tool_use");
});

it("makes one request for each failed call", async () => {
  const before = server.calls().length;
  server.setScript([{ ...answer, fault: { kind: "status", status: 529 } }]);
  await failureOf(model.stream(request([ask("go")]), never));
  expect(server.calls().length).toBe(before + 1);
});

it("refuses a tool call whose input is not JSON", async () => {
  server.setScript([{ content: [{ type: "tool_use", name: "bash", input: {}, rawJson: '{"command": ' }] }]);
  expect((await failureOf(model.stream(request([ask("go")]), never))).kind).toBe("broken_stream");
});

it("lives on pings, however long the first word takes", async () => {
  const pace = { firstByteMs: 600, chunkMs: 0, chunkCharacters: 50, atMostMs: 0, pingMs: 50 };
  server.setScript([{ ...answer, pace }]);
  const { completed } = await listen(model.stream(request([ask("go")]), never));
  expect(completed.stopReason).toBe("tool_use");
});

it("does not count the time that its reader takes", async () => {
  server.setScript([{ ...answer, pace: { firstByteMs: 0, chunkMs: 5, chunkCharacters: 30, atMostMs: 100 } }]);
  let isFirst = true;
  for await (const event of model.stream(request([ask("go")]), never)) {
    if (isFirst) await new Promise((resolve) => setTimeout(resolve, 400));
    isFirst = false;
    if (event.type === "completed") expect(event.stopReason).toBe("tool_use");
  }
  expect(isFirst).toBe(false);
});

it("is overloaded while nothing listens there", async () => {
  const away = new AnthropicModel({ apiKey: async () => "k", baseUrl: "http://127.0.0.1:9" });
  expect((await failureOf(away.stream(request([ask("go")]), never))).kind).toBe("overloaded");
});

it("is overloaded while the key cannot be read", async () => {
  const keyless = new AnthropicModel({ apiKey: () => Promise.reject(new Error("throttled")), baseUrl: server.url });
  const failure = await failureOf(keyless.stream(request([ask("go")]), never));
  expect([failure.kind, failure.message]).toEqual(["overloaded", "the model's key could not be read"]);
});

describe("aborting", () => {
  it("ends the call, and the request with it", async () => {
    server.setScript([{ ...answer, pace: { firstByteMs: 0, chunkMs: 20, chunkCharacters: 5, atMostMs: 10_000 } }]);
    const stop = new AbortController();
    const events = model.stream(request([ask("go")]), stop.signal);
    const failure = await failureOf(
      (async function* () {
        for await (const event of events) {
          yield event;
          stop.abort(new Error("interrupted"));
        }
      })(),
    );
    expect(failure.kind).toBe("broken_stream");
    expect(failure.cause).toBe(stop.signal.reason);
    const seen = server.calls().at(-1);
    while (seen?.endedAt === null) await new Promise((resolve) => setImmediate(resolve));
    expect(seen?.outcome).toBe("abandoned");
  });

  it("sends nothing where it was aborted before", async () => {
    const before = server.calls().length;
    await failureOf(model.stream(request([ask("go")]), AbortSignal.abort()));
    expect(server.calls().length).toBe(before);
  });

  it("ends the request when its reader leaves", async () => {
    server.setScript([{ ...answer, pace: { firstByteMs: 0, chunkMs: 20, chunkCharacters: 5, atMostMs: 10_000 } }]);
    for await (const event of model.stream(request([ask("go")]), never)) if (event.type === "delta") break;
    const seen = server.calls().at(-1);
    while (seen?.endedAt === null) await new Promise((resolve) => setImmediate(resolve));
    expect(seen?.outcome).toBe("abandoned");
  });
});

describe("the key", () => {
  it("is asked for once more after a 401, and the call made again", async () => {
    const keys = ["old", "new"];
    const asked: boolean[] = [];
    const rotated = await stage(
      { accepts: (key) => key === "new" },
      {
        apiKey: async ({ fresh }) => {
          asked.push(fresh);
          if (fresh) keys.shift();
          return keys[0] ?? "";
        },
      },
    );
    rotated.server.setScript([answer]);
    const { completed } = await listen(rotated.model.stream(request([ask("go")]), never));
    expect(completed.stopReason).toBe("tool_use");
    expect(asked).toEqual([false, true, false]);
    expect(rotated.server.calls().map((each) => each.status)).toEqual([401, 200]);
    await rotated.server.stop();
  });

  it("fails as unauthorized when the second is refused too", async () => {
    const closed = await stage({ accepts: () => false });
    const failure = await failureOf(closed.model.stream(request([ask("go")]), never));
    expect(failure.kind).toBe("unauthorized");
    expect(closed.server.calls()).toHaveLength(2);
    await closed.server.stop();
  });
});
