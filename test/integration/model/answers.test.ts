import { call, say, think, type Answer } from "../../../infra/local/model/answer.ts";
import type { RehearsalModel } from "../../../infra/local/model/server.ts";
import type { AnthropicModel } from "../../../shared/adapters/model-anthropic.ts";
import { ContentBlock } from "../../../shared/protocol/content.ts";
import type { ModelMessage } from "../../../shared/ports/model.ts";
import { ask, listen, never, request, stage } from "./support.ts";

let server: RehearsalModel;
let model: AnthropicModel;
beforeAll(async () => ({ server, model } = await stage()));
afterAll(() => server.stop());
beforeEach(() => server.setScript(null));

const heard = (answer: Answer, messages: ModelMessage[] = [ask("go")]) => {
  server.setScript([answer]);
  return listen(model.stream(request(messages), never));
};

it("streams text and thinking, and completes with the same blocks", async () => {
  const text = "Grüße, 世界 👩‍👩‍👧 ".repeat(20);
  const { deltas, completed } = await heard({
    content: [think("Let me see."), say(text), call("bash", { command: "ls" })],
  });
  const joined = (block: string, index: number) =>
    deltas
      .filter((delta) => delta.block === block && delta.index === index)
      .map((delta) => delta.text)
      .join("");
  expect(joined("thinking", 0)).toBe("Let me see.");
  expect(joined("text", 1)).toBe(text);
  expect(deltas.length).toBeGreaterThan(4);
  expect(completed.stopReason).toBe("tool_use");
  expect(completed.requestId).toMatch(/^req_/);
  expect(completed.content.map((block) => ContentBlock.parse(block))).toEqual(server.calls().at(-1)?.answer);
});

it.each<[string, Record<string, unknown>]>([
  ["nothing", {}],
  ["nested values, in their order", { z: 1, a: { deep: [1, null, 'é\n"\\'] }, "": "empty key", m: 1e21 }],
  ["a long text", { content: "0123456789\n".repeat(20_000) }],
])("assembles the input of a tool call: %s", async (_, input) => {
  const { completed } = await heard({ content: [call("write", input)] });
  const block = completed.content[0];
  expect(block?.type).toBe("tool_use");
  expect(JSON.stringify(block?.["input"])).toBe(JSON.stringify(input));
});

it("sends blocks back byte for byte, thinking signatures included", async () => {
  const answer = {
    content: [
      think("a\u2028b"),
      say("text"),
      { type: "redacted_thinking", data: "" } as const,
      call("bash", { z: 1, a: "é" }),
    ],
  };
  const { completed } = await heard(answer);
  const id = String(completed.content.at(-1)?.["id"]);
  // As the timeline keeps it: text.
  const kept = JSON.parse(JSON.stringify(completed.content)) as unknown[];
  const messages = [
    ask("go"),
    { role: "assistant" as const, content: kept },
    { role: "user" as const, content: [{ type: "tool_result", tool_use_id: id, content: "ok" }] },
  ];
  await heard({ content: [say("done")] }, messages);
  const sent = server.calls().at(-1)?.body?.["messages"] as ModelMessage[];
  expect(JSON.stringify(sent[1]?.content)).toBe(JSON.stringify(completed.content));
});

it("keeps blocks of a type it does not know", async () => {
  const block = { type: "server_tool_use", id: "srvtoolu_1", name: "later", input: { a: 1 } };
  const { completed } = await heard({ content: [{ type: "unknown", block }, say("hi")] });
  expect(completed.content[0]).toEqual(block);
});

it.each([
  ["max_tokens", "max_tokens"],
  ["refusal", "refusal"],
  ["pause_turn", "pause_turn"],
  ["model_context_window_exceeded", "context_window_exceeded"],
])("stop reason %s", async (wire, reason) => {
  const { completed } = await heard({ content: [say("half")], stopReason: wire });
  expect(completed.stopReason).toBe(reason);
});

it("drops a tool call that max_tokens cut off in its input", async () => {
  const half = { type: "tool_use", name: "bash", input: {}, rawJson: '{"command": "rm -rf' } as const;
  const { completed } = await heard({ content: [say("now"), half], stopReason: "max_tokens" });
  expect(completed.content.map((block) => block.type)).toEqual(["text"]);
});

it("bills what the server counted", async () => {
  const { completed } = await heard({ content: [say("hello")] });
  const usage = server.calls().at(-1)?.usage;
  expect(completed.usage).toEqual({
    model: "rehearsal",
    input_tokens: usage?.input_tokens,
    output_tokens: usage?.output_tokens,
    cache_read_tokens: usage?.cache_read_input_tokens,
    cache_write_tokens: usage?.cache_creation_input_tokens,
  });
  expect(completed.usage.output_tokens).toBeGreaterThan(0);
});

it("does not open a connection for each call", async () => {
  const fresh = await stage();
  fresh.server.setScript(() => ({ content: [say("x")] }));
  for (let round = 0; round < 8; round += 1) await listen(fresh.model.stream(request([ask(`go ${round}`)]), never));
  const ports = new Set(fresh.server.calls().map((each) => each.clientPort));
  await fresh.server.stop();
  // One is given back while the next call begins, so there may be two.
  expect(ports.size).toBeLessThanOrEqual(2);
});

it("takes a body that the caller serialised", async () => {
  const body = JSON.stringify({
    model: "rehearsal",
    max_tokens: 10,
    stream: true,
    messages: [{ role: "user", content: "hi" }],
  });
  const { completed } = await listen(model.streamBody("rehearsal", body, never));
  expect(completed.stopReason).toBe("end_turn");
});
