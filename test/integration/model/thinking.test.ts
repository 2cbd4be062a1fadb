import { call, say, think } from "../../../infra/local/model/answer.ts";
import type { RehearsalModel } from "../../../infra/local/model/server.ts";
import type { AnthropicModel } from "../../../shared/adapters/model-anthropic.ts";
import type { ModelMessage, ModelRequest } from "../../../shared/ports/model.ts";
import { ask, failureOf, listen, never, request, stage } from "./support.ts";

type Block = Record<string, unknown>;

let server: RehearsalModel;
let model: AnthropicModel;
beforeAll(async () => ({ server, model } = await stage()));
afterAll(() => server.stop());

/** Two steps with thinking, ready for a third call. */
async function conversation(): Promise<ModelMessage[]> {
  server.setScript([
    { content: [think("first"), call("bash", { command: "a" })] },
    { content: [think("second"), { type: "redacted_thinking", data: "" }, call("bash", { command: "b" })] },
    ...Array.from({ length: 10 }, () => ({ content: [say("fine")] })),
  ]);
  const messages = [ask("go")];
  for (let step = 0; step < 2; step += 1) {
    const { completed } = await listen(model.stream(request(messages), never));
    messages.push({ role: "assistant", content: completed.content });
    const id = String(completed.content.at(-1)?.["id"]);
    messages.push({ role: "user", content: [{ type: "tool_result", tool_use_id: id, content: `result ${step}` }] });
  }
  return messages;
}

const accepted = async (changed: ModelRequest) => (await listen(model.stream(changed, never))).completed.stopReason;
const refused = async (changed: ModelRequest) => {
  const failure = await failureOf(model.stream(changed, never));
  expect(failure.message).toMatch(/Invalid `signature`/);
  return failure.kind;
};
/** Replaces the blocks of one message. */
const changed = (messages: ModelMessage[], index: number, change: (blocks: Block[]) => unknown[]): ModelMessage[] =>
  messages.map((message, at) => (at === index ? { ...message, content: change(message.content as Block[]) } : message));

it("takes thinking back unchanged, whatever moved in breakpoints", async () => {
  expect(await accepted(request(await conversation()))).toBe("end_turn");
});

it("takes it back after a restart of the server", async () => {
  const messages = await conversation();
  const restarted = await stage();
  restarted.server.setScript([{ content: [say("still here")] }]);
  expect((await listen(restarted.model.stream(request(messages), never))).completed.stopReason).toBe("end_turn");
  await restarted.server.stop();
});

it.each<[string, (messages: ModelMessage[]) => ModelRequest]>([
  ["another model", (messages) => request(messages, "claude-opus-5-5")],
  ["another system prompt", (messages) => ({ ...request(messages), system: "Other." })],
  ["a tool less", (messages) => ({ ...request(messages), tools: request(messages).tools.slice(1) })],
  ["another prompt", (messages) => request([ask("go!"), ...messages.slice(1)])],
  ["another tool result", (messages) => request(changed(messages, 2, ([block]) => [{ ...block, content: "x" }]))],
  [
    "a changed thought",
    (messages) => request(changed(messages, 1, ([block, ...rest]) => [{ ...block, thinking: "x" }, ...rest])),
  ],
  [
    "a made-up signature",
    (messages) => request(changed(messages, 3, ([block, ...rest]) => [{ ...block, signature: "eA==" }, ...rest])),
  ],
  ["a thought left out before another", (messages) => request(changed(messages, 1, (blocks) => blocks.slice(1)))],
  [
    "a changed redacted thought",
    (messages) => request(changed(messages, 3, ([a, b, c]) => [a, { ...b, data: "eA==" }, c])),
  ],
  [
    "a reordered input",
    (messages) => request(changed(messages, 1, ([a, b]) => [a, { ...b, input: { command: "other" } }])),
  ],
])("refuses it after %s", async (_, change) => {
  expect(await refused(change(await conversation()))).toBe("unfit_thinking");
});

it.each<[string, (messages: ModelMessage[]) => ModelRequest]>([
  ["all thinking dropped, another model", (messages) => request(withoutThinking(messages, 0), "claude-opus-5-5")],
  [
    "all thinking dropped, another prompt",
    (messages) => request([ask("go!"), ...withoutThinking(messages, 0).slice(1)]),
  ],
  ["thinking dropped from a place on", (messages) => request(withoutThinking(messages, 2))],
])("goes on with %s", async (_, change) => {
  expect(await accepted(change(await conversation()))).toBe("end_turn");
});

function withoutThinking(messages: ModelMessage[], from: number): ModelMessage[] {
  const isThinking = (block: unknown) => (block as { type: string }).type.endsWith("thinking");
  return messages.map((message, index) =>
    index < from ? message : { ...message, content: message.content.filter((block) => !isThinking(block)) },
  );
}

it("gives empty thinking, still signed, to who does not ask to see it", async () => {
  server.setScript([{ content: [think("hidden"), say("hi")] }]);
  const body = JSON.stringify({
    model: "rehearsal",
    max_tokens: 99,
    stream: true,
    messages: [{ role: "user", content: "hi" }],
  });
  const { deltas, completed } = await listen(model.streamBody("rehearsal", body, never));
  expect(completed.content[0]).toMatchObject({
    type: "thinking",
    thinking: "",
    signature: expect.stringMatching(/.{20}/),
  });
  expect(deltas.map((delta) => delta.block)).toEqual(["text"]);
});
