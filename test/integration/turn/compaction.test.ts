import { call, say, think } from "../../../infra/local/model/answer.ts";
import { promptTokens } from "../../../shared/config/models.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { examine } from "../../../shared/domain/doctor/examine.ts";
import { readSessionForDoctor } from "../../../shared/domain/doctor/read.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { summaryNote } from "../../../shared/protocol/conversation.ts";
import { startRehearsedEngine } from "../../support/rehearsed-engine.ts";

type Rehearsed = Awaited<ReturnType<typeof startRehearsedEngine>>;

let stage: Rehearsed;
afterEach(() => stage.stop());

/** Room for the system prompt, the tools and some steps. */
const window = 5000;
async function start(options: { known?: boolean; server?: number } = {}) {
  const { known = true, server = window } = options;
  stage = await startRehearsedEngine({ contextTokens: server });
  stage.engine.deps.contextTokens = () => (known ? window : null);
  return stage.engine.session();
}

const output = () => "a line of output\n".repeat(60);
const refusedCalls = () =>
  stage.server
    .calls()
    .filter(({ status }) => status !== 200)
    .map(({ error }) => error);
const summariesOf = async (key: SessionKey) =>
  (await stage.engine.log(key)).filter((row) => row.kind === "message").filter(({ role }) => role === "system");
const endOf = async (key: SessionKey) =>
  (await stage.engine.log(key)).findLast((row) => row.kind === "event" && row.type === "turn.ended");

async function isSound(key: SessionKey): Promise<void> {
  const read = await readSessionForDoctor(stage.engine.deps, key);
  expect(read && examine(read, { now: stage.engine.clock.now() })).toEqual([]);
}

test("a long turn goes on over compactions: nothing is refused, each is paid once, the log stays whole", async () => {
  const key = await start({ server: 2 * window });
  await stage.play(key, "rehearsal: tools 16", output);
  expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  expect(refusedCalls()).toEqual([]);
  const summaries = await summariesOf(key);
  expect(summaries.length).toBeGreaterThanOrEqual(2);
  const log = await stage.engine.log(key);
  expect(log.map(({ seq }) => seq)).toEqual(log.map((_, at) => at + 1));
  expect(log.filter((row) => row.kind === "event" && row.type === "tool.completed")).toHaveLength(16);
  const ledger = await stage.ledger(key);
  const spoken = log.filter((row) => row.kind === "message" && row.usage !== undefined);
  expect(ledger).toHaveLength(spoken.length);
  expect(ledger).toHaveLength(stage.server.calls().length);
  expect(new Set(ledger.map(({ turn_id, step }) => `${turn_id}/${step}`)).size).toBe(ledger.length);
  await isSound(key);
}, 60_000);

test("each call reads the prompt of the call before from the cache, also over turns, a steer and compactions", async () => {
  const key = await start();
  await stage.play(key, "rehearsal: tools 6", output);
  await stage.play(key, "rehearsal: tools 8", output);
  const ledger = await stage.ledger(key);
  const steps = (await stage.engine.log(key)).filter((row) => row.kind === "message" && row.usage !== undefined);
  const afterSummary = steps.map((_, at) => {
    const before = steps[at - 1];
    return before?.kind === "message" && before.role === "system";
  });
  expect(afterSummary).toContain(true);
  ledger.slice(1).forEach((row, index) => {
    const before = ledger[index];
    if (!before) throw new Error("no row");
    expect(row.cache_read_tokens).toBeGreaterThan(900);
    // The first one after a compaction knows the tools and the system prompt only.
    if (!afterSummary[index + 1]) expect(row.cache_read_tokens).toBe(promptTokens(before));
  });
}, 60_000);

test("the summary stands for what it covers; the prompt of the running turn stays, and calls stay with their results", async () => {
  const key = await start();
  await stage.play(key, "rehearsal: tools 9", output);
  const [summary] = await summariesOf(key);
  const after = stage.server
    .calls()
    .map(({ body }) => body?.["messages"] as { role: string; content: { type: string; text?: string }[] }[])
    .find((messages) => messages[0]?.content[0]?.text?.startsWith(summaryNote));
  const [first] = after ?? [];
  expect(first?.content.map(({ text }) => text)).toEqual([
    expect.stringContaining("Rehearsal summary"),
    "rehearsal: tools 9",
  ]);
  expect(summary?.covers_seq).toBeLessThan(summary?.seq ?? 0);
  expect(after?.length).toBeLessThan(6);
}, 60_000);

test("a prompt that the API calls too long leads to a compaction, though nobody knew the window", async () => {
  const key = await start({ known: false });
  // Each step adds a lot at once.
  await stage.play(key, "rehearsal: tools 8", () => "a line of output\n".repeat(120));
  expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  expect((await summariesOf(key)).length).toBeGreaterThanOrEqual(1);
  expect(refusedCalls().length).toBeGreaterThan(0);
  for (const error of refusedCalls()) expect(error).toMatch(/too long/);
}, 60_000);

test("what does not fit alone ends the turn with context_full, and a short prompt works again", async () => {
  const key = await start({ known: false, server: 2600 });
  await stage.play(key, "long ".repeat(3000));
  expect(await endOf(key)).toMatchObject({ data: { reason: "error", error: { code: "context_full" } } });
  expect(await stage.ledger(key)).toEqual([]);
}, 60_000);

test("an answer that ran out of the window is kept, and the turn goes on after a compaction", async () => {
  const key = await start();
  stage.server.setScript([
    { content: [say("first")] },
    {
      content: [say("this ends in the mid"), call("bash", { command: "x" })],
      stopReason: "model_context_window_exceeded",
    },
    { content: [say("the summary")] },
    { content: [say("done")] },
  ]);
  await stage.play(key, "one");
  await stage.play(key, "two");
  expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  expect(await summariesOf(key)).toHaveLength(1);
  expect(await stage.ledger(key)).toHaveLength(4);
}, 60_000);

test("an answer that runs out of the window again, right after a compaction, ends the turn", async () => {
  const key = await start();
  const over = { content: [say("ends in the mid")], stopReason: "model_context_window_exceeded" };
  stage.server.setScript([over, { content: [say("the summary")] }, over]);
  await stage.play(key, "one");
  expect(await endOf(key)).toMatchObject({ data: { reason: "error", error: { code: "context_full" } } });
  expect(await stage.ledger(key)).toHaveLength(3);
}, 60_000);

test("thoughts of before a compaction are dropped, later ones go back", async () => {
  const key = await start({ server: 2 * window });
  const step = (name: string) => ({ content: [think(name), call("bash", { command: "x".repeat(2500) })] });
  const steps = ["a", "b", "c", "d", "e", "f"].map(step);
  let at = 0;
  stage.server.setScript((request) => {
    const last = request.messages.at(-1)?.content.at(-1);
    if (String(last?.["text"]).includes("about to leave the model")) return { content: [say("the summary")] };
    at += 1;
    return steps[at - 1] ?? { content: [say("done")] };
  });
  await stage.play(key, "think hard", output);
  expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  expect(refusedCalls()).toEqual([]);
  expect((await summariesOf(key)).length).toBeGreaterThanOrEqual(1);
}, 60_000);

test("a worker that dies over a compaction before its commit is followed by one that does it again", async () => {
  const key = await start();
  const { deps } = stage.engine;
  const { stream } = deps.model;
  let crashes = 0;
  const isSummaryRequest = (text: string) => text.includes("about to leave the model");
  deps.model = {
    stream: (request, signal) => {
      if (crashes > 0 || !isSummaryRequest(JSON.stringify(request.messages.at(-1))))
        return stream.call(stage.model, request, signal);
      crashes += 1;
      throw new Error("the worker died");
    },
  };
  await expect(stage.play(key, "rehearsal: tools 8", output)).rejects.toThrow("died");
  expect(await summariesOf(key)).toEqual([]);
  stage.engine.clock.advance(60_000);
  stage.loseSandbox(key);
  const { tenant_id, session_id } = key;
  await deps.queue.send({ tenant_id, session_id, hops: 0 });
  await stage.settle(key, output);
  expect(crashes).toBe(1);
  expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  expect((await summariesOf(key)).length).toBeGreaterThanOrEqual(1);
  expect(await stage.ledger(key)).toHaveLength(stage.server.calls().length);
}, 60_000);

test("a summary is none where the model did something else: it is paid, and asked for once more in short", async () => {
  const key = await start();
  let asked = 0;
  stage.server.setScript((request) => {
    const last = request.messages.at(-1)?.content.at(-1);
    if (!String(last?.["text"]).includes("about to leave the model")) return null;
    asked += 1;
    return asked === 1 ? { content: [call("bash", { command: "ls" })] } : null;
  });
  await stage.play(key, "rehearsal: tools 9", output);
  expect(asked).toBeGreaterThanOrEqual(2);
  expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  expect(await stage.ledger(key)).toHaveLength(stage.server.calls().length);
  expect(await readConversation(stage.engine.deps.table, key)).toMatchObject({ phase: "none" });
}, 60_000);
