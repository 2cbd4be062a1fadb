import { rows } from "../../../shared/data/service.ts";
import { lookAtSession } from "../../../shared/agent/look.ts";
import { TranscriptCache } from "../../../shared/agent/transcript-cache.ts";
import { transcriptOf } from "../../../shared/agent/transcript.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import type { NewRow, SessionKey } from "../../../shared/domain/timeline/row.ts";
import { repairCalls } from "../../../shared/domain/turn/repair.ts";
import { lostOutput } from "../../../shared/domain/turn/transcript-blocks.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { answerMessage, seedLog, turnOf, userMessage } from "../../support/seed.ts";
import { turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());
const { ask } = turnDriver(() => engine);

const began: NewRow = { kind: "event", type: "turn.started", turn_id: turnOf(1), data: {} };
const ended: NewRow = {
  kind: "event",
  type: "turn.ended",
  turn_id: turnOf(1),
  data: { reason: "completed", steps: 1, error: null, checkpoint: null, checkpoint_pending: false },
};

/** A session of before, whose log lost the results of two calls. */
async function damagedSession() {
  const key = await engine.session();
  const log = [userMessage(1), began, { ...answerMessage(1, ["one", "two"]), seen_head: 2 }, ended];
  await seedLog(engine.deps.table, key, log);
  const { tenant_id, session_id } = key;
  await rows(engine.deps.table).entities.conversation.patch({ tenant_id, session_id }).set({ head: 4 }).go();
  return key;
}

const lostResults = async (key: SessionKey) =>
  (await engine.log(key)).flatMap((row) =>
    row.kind === "event" && row.type === "tool.completed" && row.data.output === lostOutput ? [row.data.call_id] : [],
  );

test("calls without a result get one on the log before the model is asked, and the turn goes on", async () => {
  const model = scriptedModel([() => says("Fine.")]);
  engine = await startEngine(model);
  const key = await damagedSession();
  await ask(key, "Go on");
  await engine.work();
  expect(await lostResults(key)).toEqual(["one", "two"]);
  expect(model.requests).toHaveLength(1);
  expect(JSON.stringify(model.requests[0]?.messages.at(-1))).toContain(lostOutput);
  const log = await engine.log(key);
  expect(log.map(({ seq }) => seq)).toEqual(log.map((_, at) => at + 1));
  expect(log.at(-1)).toMatchObject({ type: "turn.ended", data: { reason: "completed" } });
});

test("two workers that look at once, and one that is late, do not do it twice", async () => {
  engine = await startEngine(scriptedModel([() => says("Fine.")]));
  const key = await damagedSession();
  await ask(key, "Go on");
  const { tenant_id, session_id } = key;
  const look = () =>
    lookAtSession({ ...engine.deps, transcripts: new TranscriptCache() }, { tenant_id, session_id, hops: 0 });
  await Promise.all([look(), look(), look()]);
  expect(await lostResults(key)).toEqual(["one", "two"]);
});

test("one that read the same log at the same time, or whose step was taken over, appends nothing", async () => {
  engine = await startEngine(
    scriptedModel([
      () => {
        throw new Error("the worker died");
      },
    ]),
  );
  const key = await damagedSession();
  const { turn_id } = await ask(key, "Go on");
  await expect(engine.work()).rejects.toThrow("died");
  const { fence = 0, head = 0 } = (await readConversation(engine.deps.table, key)) ?? {};
  const dangling = [{ call: { id: "again", name: "bash" }, turn_id: turnOf(1) }];
  const claim = { turn_id, step: 0, fence };
  const late = repairCalls(engine.deps, key, { ...claim, fence: fence - 1 }, head, dangling);
  expect(await late).toBe(false);
  await expect(repairCalls(engine.deps, key, claim, head - 1, dangling)).resolves.toBe(false);
  const both = [1, 2].map(() => repairCalls(engine.deps, key, claim, head, dangling));
  expect((await Promise.all(both)).filter(Boolean)).toHaveLength(1);
});

test("a worker that lost its step while it read the log stops", async () => {
  engine = await startEngine(scriptedModel([() => says("Fine.")]));
  const key = await damagedSession();
  const { turn_id } = await ask(key, "Go on");
  await expect(
    transcriptOf(engine.deps, { key, claim: { turn_id, step: 0, fence: 99 }, conversation: {} }),
  ).rejects.toThrow();
  expect(await lostResults(key)).toEqual([]);
});

test("a step that waits for calls of which no row is left goes on with lost results", async () => {
  const model = scriptedModel([() => calls({ id: "t1" }), () => says("Fine.")]);
  engine = await startEngine(model);
  const key = await engine.session();
  const { turn_id } = await ask(key, "Go");
  await engine.work();
  const { tenant_id, session_id } = key;
  await rows(engine.deps.table)
    .entities.toolCall.delete({ tenant_id, session_id, turn_id, step: 0, call_id: "t1" })
    .go();
  await lookAtSession(engine.deps, { tenant_id, session_id, hops: 0 });
  await engine.work();
  expect(await lostResults(key)).toEqual(["t1"]);
  expect((await engine.log(key)).at(-1)).toMatchObject({ type: "turn.ended", data: { reason: "completed" } });
});
