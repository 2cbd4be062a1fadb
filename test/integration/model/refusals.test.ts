import { Anthropic, APIError } from "@anthropic-ai/sdk";
import type { RehearsalModel } from "../../../infra/local/model/server.ts";
import { buildModelRequest } from "../../../shared/adapters/anthropic/request.ts";
import { ask, failureOf, listen, never, request, stage } from "./support.ts";

type Json = Record<string, unknown>;

let server: RehearsalModel;
let client: Anthropic;
beforeAll(async () => {
  ({ server } = await stage());
  client = new Anthropic({ apiKey: "k", baseURL: server.url, maxRetries: 0, timeout: 10_000, logLevel: "off" });
});
afterAll(() => server.stop());

const good = (): Json => ({
  ...buildModelRequest(request([ask("rehearsal: say hi")])),
  stream: false,
  max_tokens: 1000,
});
const without = (name: string): Json => Object.fromEntries(Object.entries(good()).filter(([key]) => key !== name));
const cached = { type: "text", text: "x", cache_control: { type: "ephemeral" } };

async function errorOf(body: Json): Promise<APIError> {
  try {
    await client.messages.create(body as unknown as Anthropic.MessageCreateParamsNonStreaming);
  } catch (error) {
    if (error instanceof APIError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

it("accepts what our adapter builds", async () => {
  const message = await client.messages.create(good() as unknown as Anthropic.MessageCreateParamsNonStreaming);
  expect(message).toMatchObject({
    type: "message",
    role: "assistant",
    stop_reason: "end_turn",
    content: [{ text: "hi" }],
  });
  expect(message._request_id).toMatch(/^req_/);
});

it.each<[string, Json, RegExp]>([
  ["temperature", { ...good(), temperature: 1 }, /temperature/],
  ["top_p", { ...good(), top_p: 1 }, /top_p/],
  ["top_k", { ...good(), top_k: 1 }, /top_k/],
  ["forced tool_choice any", { ...good(), tool_choice: { type: "any" } }, /tool_choice/],
  ["forced tool_choice tool", { ...good(), tool_choice: { type: "tool", name: "bash" } }, /tool_choice/],
  ["an unknown field", { ...good(), colour: "red" }, /colour: Extra inputs/],
  ["thinking disabled", { ...good(), thinking: { type: "disabled" } }, /thinking/],
  ["thinking with a budget", { ...good(), thinking: { type: "enabled", budget_tokens: 2000 } }, /thinking/],
  ["no messages", { ...good(), messages: [] }, /at least one message/],
  ["two messages of one role", { ...good(), messages: [ask("a"), ask("b")] }, /alternate/],
  ["prefill", { ...good(), messages: [ask("a"), { role: "assistant", content: "b" }] }, /prefill/],
  ["no max_tokens", without("max_tokens"), /max_tokens: Field required/],
  ["too many max_tokens", { ...good(), max_tokens: 200_000 }, /max_tokens/],
  ["no model", without("model"), /model/],
  ["five breakpoints", { ...good(), messages: [{ role: "user", content: [cached, cached, cached] }] }, /maximum of 4/],
  ["a tool twice", { ...good(), tools: [...(good()["tools"] as Json[]), (good()["tools"] as Json[])[0]] }, /unique/],
  ["a tool without schema", { ...good(), tools: [{ name: "x" }] }, /input_schema/],
  ["an unknown effort", { ...good(), output_config: { effort: "huge" } }, /effort/],
  [
    "a call without its result",
    {
      ...good(),
      messages: [
        ask("a"),
        { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "bash", input: {} }] },
        ask("b"),
      ],
    },
    /without `tool_result`/,
  ],
])("refuses %s", async (_, body, message) => {
  const error = await errorOf(body);
  expect([error.status, error.type]).toEqual([400, "invalid_request_error"]);
  expect(error.apiMessage).toMatch(message);
  expect(error.requestID).toMatch(/^req_/);
});

it("does not know other models", async () => {
  expect(await errorOf({ ...good(), model: "gpt-9" })).toMatchObject({ status: 404, type: "not_found_error" });
});

describe("headers", () => {
  const post = (headers: Record<string, string>, path = "/v1/messages", body = JSON.stringify(good())) =>
    fetch(`${server.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
  const version = { "anthropic-version": "2026-10-21" };

  it("takes a bearer token as well as x-api-key", async () => {
    expect((await post({ ...version, authorization: "Bearer k" })).status).toBe(200);
    expect((await post({ ...version, "x-api-key": "k" })).status).toBe(200);
  });

  it("asks for a key, and for the version that it plays", async () => {
    expect((await post(version)).status).toBe(401);
    expect((await post({ "x-api-key": "k" })).status).toBe(400);
    expect((await post({ "x-api-key": "k", "anthropic-version": "2023-06-01" })).status).toBe(400);
  });

  it("answers in the API's shape to broken JSON, other paths and large bodies", async () => {
    const broken = await post({ ...version, "x-api-key": "k" }, "/v1/messages", "{");
    expect(await broken.json()).toMatchObject({ type: "error", error: { type: "invalid_request_error" } });
    expect((await post({ ...version, "x-api-key": "k" }, "/v1/other")).status).toBe(404);
    const large = await post({ ...version, "x-api-key": "k" }, "/v1/messages", "x".repeat(33 * 1024 * 1024));
    expect(await large.json()).toMatchObject({ error: { type: "request_too_large" } });
  });
});

it("refuses a prompt over its window, and only that", async () => {
  const small = await stage({ contextTokens: 3000 });
  const model = small.model;
  const long = request([ask("word ".repeat(3000))]);
  const failure = await failureOf(model.stream(long, never));
  expect(failure).toMatchObject({
    kind: "too_long",
    message: expect.stringMatching(/prompt is too long: \d+ tokens > 3000/),
  });
  expect((await listen(model.stream(request([ask("rehearsal: say hi")]), never))).completed.stopReason).toBe(
    "end_turn",
  );
  await small.server.stop();
});
