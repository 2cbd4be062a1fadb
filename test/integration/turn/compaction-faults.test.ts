import { lookAtSession } from "../../../shared/agent/look.ts";
import type { StepDeps } from "../../../shared/agent/step-deps.ts";
import { TranscriptCache } from "../../../shared/agent/transcript-cache.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { spentOfSession } from "../../../shared/domain/usage/usage.ts";
import { ModelFailure, type ModelEvent, type ModelRequest } from "../../../shared/ports/model.ts";
import { dyingTable } from "../../support/dying-table.ts";
import { says, startEngine, usage, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());
const { ask } = turnDriver(() => engine);

const isSummaryRequest = ({ messages }: ModelRequest) =>
  JSON.stringify(messages.at(-1)).includes("about to leave the model");
const answer = (request: ModelRequest) =>
  says(isSummaryRequest(request) ? "The summary." : "A long answer. ".repeat(20));

/** A session whose next step is a compaction. */
async function fullSession(model = scriptedModel([answer])) {
  engine = await startEngine(model);
  engine.deps.contextTokens = () => 130;
  const key = await engine.session();
  await ask(key, "One");
  await engine.work();
  engine.queue.sent.length = 0;
  await ask(key, "Two");
  return key;
}

const wakeUpOf = ({ tenant_id, session_id }: SessionKey) => ({ tenant_id, session_id, hops: 0 });
const spoken = async (key: SessionKey) =>
  (await engine.log(key)).filter((row) => row.kind === "message").filter((row) => row.usage !== undefined);
const summaries = async (key: SessionKey) => (await spoken(key)).filter(({ role }) => role === "system");

async function isSettled(key: SessionKey, calls: number): Promise<void> {
  expect(await summaries(key)).toHaveLength(1);
  expect(await spoken(key)).toHaveLength(3);
  expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 3, tokens: 3 * 120 });
  expect((await engine.log(key)).at(-1)).toMatchObject({ type: "turn.ended", data: { reason: "completed" } });
  expect(calls).toBeGreaterThanOrEqual(3);
}

async function workLater(key: SessionKey): Promise<void> {
  engine.clock.advance(60_000);
  await lookAtSession(engine.deps, wakeUpOf(key));
  await engine.work();
}

it.each([1, 2, 3].flatMap((write) => (["before", "after"] as const).map((moment) => ({ write, moment }))))(
  "a worker that dies $moment write $write of a compaction leaves one summary, paid once",
  async ({ write, moment }) => {
    const model = scriptedModel([answer]);
    const key = await fullSession(model);
    const { table, died } = dyingTable(engine.deps.table, write, moment);
    const doomed: StepDeps = { ...engine.deps, table, transcripts: new TranscriptCache() };
    await Promise.race([lookAtSession(doomed, wakeUpOf(key)), died]);
    await workLater(key);
    await isSettled(key, model.requests.length);
  },
);

test("one that was taken for dead brings no second summary", async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  let isFirst = true;
  const model = scriptedModel([
    async function* (request): AsyncGenerator<ModelEvent> {
      if (isSummaryRequest(request) && isFirst) {
        isFirst = false;
        await gate;
      }
      yield* answer(request);
    },
  ]);
  const key = await fullSession(model);
  // It neither sees nor keeps anything while it waits.
  const frozen = { ...engine.deps, clock: { ...engine.clock, sleep: () => new Promise<void>(() => {}) } };
  const late = lookAtSession(frozen, wakeUpOf(key));
  while (model.requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await workLater(key);
  release();
  await late;
  await isSettled(key, model.requests.length);
});

test("an interrupt breaks a compaction off: what was counted is paid, there is no summary, the next prompt works", async () => {
  const began = { content: [{ type: "text" as const, text: "Task: " }], usage, requestId: null };
  const model = scriptedModel([
    async function* (request, signal): AsyncGenerator<ModelEvent> {
      if (!isSummaryRequest(request)) return yield* answer(request);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      const failure = new ModelFailure("broken_stream", "aborted");
      failure.partial = began;
      throw failure;
    },
  ]);
  const key = await fullSession(model);
  const working = lookAtSession(engine.deps, wakeUpOf(key));
  while (model.requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await interrupt(engine.deps, key, { user_id: key.user_id, request_id: null });
  await working;
  expect((await engine.log(key)).at(-1)).toMatchObject({ type: "turn.ended", data: { reason: "interrupted" } });
  expect(await summaries(key)).toEqual([]);
  expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 2 });
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "none", status: "idle" });
});

test("watchers see no text of a summary while it is written, and the whole as a message when it stands", async () => {
  const key = await fullSession();
  const { tenant_id, session_id } = key;
  const { rows } = await import("../../../shared/data/service.ts");
  const expires_at = engine.clock.now() / 1000 + 86_400;
  await rows(engine.deps.table)
    .entities.subscription.create({ tenant_id, session_id, connection_id: "watcher", expires_at })
    .go();
  await lookAtSession(engine.deps, wakeUpOf(key));
  const posted = (engine.sockets.posted.get("watcher") ?? []) as { type: string; data: Record<string, unknown> }[];
  expect(posted.map(({ type }) => type)).toEqual(["message.completed", "usage.updated"]);
  expect(posted[0]?.data).toMatchObject({ role: "system", content: [{ type: "text", text: "The summary." }] });
});
