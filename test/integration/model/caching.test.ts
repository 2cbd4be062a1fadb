import { say } from "../../../infra/local/model/answer.ts";
import type { RehearsalModel } from "../../../infra/local/model/server.ts";
import type { AnthropicModel } from "../../../shared/adapters/model-anthropic.ts";
import { promptTokens } from "../../../shared/config/models.ts";
import type { ModelMessage, ModelUsage } from "../../../shared/ports/model.ts";
import { ask, listen, never, request, stage } from "./support.ts";

let server: RehearsalModel;
let model: AnthropicModel;
let now = Date.parse("2026-11-21T12:00:00Z");
beforeEach(async () => {
  ({ server, model } = await stage({ now: () => now }));
  server.setScript(() => ({ content: [say("a word ".repeat(300))] }));
});
afterEach(() => server.stop());

async function usageOf(messages: ModelMessage[], system?: string): Promise<ModelUsage> {
  const asked = request(messages);
  const { completed } = await listen(model.stream(system === undefined ? asked : { ...asked, system }, never));
  messages.push({ role: "assistant", content: completed.content }, ask("go on"));
  return completed.usage;
}

it("reads in each call what the call before wrote", async () => {
  const messages = [ask("go")];
  const calls: ModelUsage[] = [];
  for (let round = 0; round < 4; round += 1) calls.push(await usageOf(messages));
  const [first, ...later] = calls;
  expect(first).toMatchObject({ cache_read_tokens: 0, cache_write_tokens: promptTokens(first as ModelUsage) });
  later.forEach((usage, index) => {
    expect(usage.cache_read_tokens).toBe(promptTokens(calls[index] as ModelUsage));
    expect(usage.cache_write_tokens).toBe(promptTokens(usage) - usage.cache_read_tokens);
    expect(usage.cache_write_tokens).toBeLessThan(700);
  });
});

it("still reads after a step of more than 20 blocks, thanks to the breakpoint before", async () => {
  const messages = [ask("go")];
  const first = await usageOf(messages);
  messages.splice(1);
  const calls = Array.from({ length: 32 }, (_, index) => ({
    type: "tool_use",
    id: `t${index}`,
    name: "bash",
    input: {},
  }));
  const results = calls.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "ok" }));
  messages.push({ role: "assistant", content: calls }, { role: "user", content: results });
  expect((await usageOf(messages)).cache_read_tokens).toBe(promptTokens(first));
});

it("shares tools and system between sessions", async () => {
  await usageOf([ask("go")]);
  const other = await usageOf([ask("something else")]);
  expect(other.cache_read_tokens).toBeGreaterThan(500);
  expect(other.cache_write_tokens).toBeLessThan(50);
});

it("forgets after five minutes of silence, not after five minutes of use", async () => {
  const messages = [ask("go")];
  await usageOf(messages);
  now += 4 * 60_000;
  expect((await usageOf(messages)).cache_read_tokens).toBeGreaterThan(0);
  now += 4 * 60_000;
  expect((await usageOf(messages)).cache_read_tokens).toBeGreaterThan(0);
  now += 5 * 60_000;
  expect((await usageOf(messages)).cache_read_tokens).toBe(0);
});

it("throws the conversation away when something early changes, and keeps the tools", async () => {
  const messages = [ask("go")];
  await usageOf(messages);
  const after = await usageOf(messages, "It is 12:01.");
  expect(after.cache_write_tokens).toBeGreaterThan(600);
});

it("does not cache a prompt below 512 tokens", async () => {
  const body = JSON.stringify({
    model: "rehearsal",
    max_tokens: 99,
    stream: true,
    messages: [{ role: "user", content: [{ type: "text", text: "short", cache_control: { type: "ephemeral" } }] }],
  });
  const { completed } = await listen(model.streamBody("rehearsal", body, never));
  expect(completed.usage).toMatchObject({ cache_read_tokens: 0, cache_write_tokens: 0 });
});

it("tells one-hour writes apart", async () => {
  const text = "long enough ".repeat(500);
  const content = [{ type: "text", text, cache_control: { type: "ephemeral", ttl: "1h" } }];
  const body = JSON.stringify({
    model: "rehearsal",
    max_tokens: 99,
    stream: true,
    messages: [{ role: "user", content }],
  });
  const { completed } = await listen(model.streamBody("rehearsal", body, never));
  expect(completed.usage.cache_write_1h_tokens).toBe(completed.usage.cache_write_tokens);
  expect(completed.usage.cache_write_tokens).toBeGreaterThan(1000);
});
