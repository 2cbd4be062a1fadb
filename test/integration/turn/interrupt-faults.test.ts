import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { submitPrompt } from "../../../shared/domain/turn/prompt.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { spentOfSession } from "../../../shared/domain/usage/usage.ts";
import type { ModelEvent } from "../../../shared/ports/model.ts";
import { interruptedOutput } from "../../../shared/protocol/conversation.ts";
import { countedSoFar, endlessAnswer } from "../../support/broken-off.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { names, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask, linkUp, sentTo, answerCall } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;

const stop = (key: Key, request_id: string | null = null) =>
  interrupt(engine.deps, key, { user_id: key.user_id, request_id });
const lastEnding = async (key: Key) =>
  (await engine.log(key)).findLast((row) => row.kind === "event" && row.type === "turn.ended");
const crash = (): Iterable<ModelEvent> => {
  throw new Error("killed");
};
/** Whatever was sent is gone; only the sweeper is left. */
async function bySweeper(afterMs: number): Promise<void> {
  engine.queue.sent.length = 0;
  engine.clock.advance(afterMs);
  await sweep(engine.deps);
  await engine.work();
}

test("a worker that died over the step: its turn ends after the grace, not after its lease", async () => {
  engine = await startEngine(scriptedModel([crash, () => says("Next.")]));
  const key = await engine.session();
  await ask(key, "Build it");
  await expect(engine.work()).rejects.toThrow("killed");
  expect(await stop(key)).toMatchObject({ state: "interrupting" });
  expect(engine.queue.sent).toEqual([expect.objectContaining({ delaySeconds: 5 })]);
  await engine.work({ delayed: true });
  expect(await lastEnding(key)).toMatchObject({ data: { reason: "interrupted" } });
  expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 0 });
  await ask(key, "Again");
  await engine.work();
  expect(await lastEnding(key)).toMatchObject({ data: { reason: "completed" } });
});

test("the same, with every wake-up lost", async () => {
  engine = await startEngine(scriptedModel([crash]));
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work().catch(() => undefined);
  await stop(key);
  await bySweeper(16_000);
  expect(await lastEnding(key)).toMatchObject({ data: { reason: "interrupted" } });
});

test("killed between the calls' results and all that follows: the sweeper's worker cancels, and ends the turn", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" })]));
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  engine.sockets.fate.set(link.connectionId, "gone");
  await stop(key);
  engine.sockets.fate.clear();
  await bySweeper(11_000);
  expect(sentTo(link, "tool.cancel")).toHaveLength(1);
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "checkpoint" });
  await bySweeper(11_000);
  expect(await lastEnding(key)).toMatchObject({ data: { reason: "interrupted", checkpoint_pending: true } });
  const log = await engine.log(key);
  expect(log.filter((row) => row.kind === "event" && row.type === "tool.completed")).toMatchObject([
    { data: { call_id: "t1", output: interruptedOutput } },
  ]);
});

test("killed after an urgent prompt was stored: it begins all the same, first", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), () => says("Urgent.")]));
  const key = await engine.session();
  await ask(key, "One");
  await engine.work();
  const two = await ask(key, "Two");
  const urgent = { user_id: key.user_id, request_id: "r1", content: "Urgent", delivery: "interrupt" as const };
  const { turn_id } = await submitPrompt(engine.deps, key, urgent);
  await bySweeper(11_000);
  expect(await submitPrompt(engine.deps, key, urgent)).toMatchObject({ turn_id });
  await engine.work();
  const started = (await engine.log(key)).filter((row) => row.kind === "event" && row.type === "turn.started");
  expect(started.map((row) => row.turn_id).slice(1)).toEqual([turn_id, two.turn_id]);
});

test("killed after the broken-off answer was committed: nothing of it is repeated", async () => {
  const endless = endlessAnswer([{ type: "text", text: "Half" }]);
  const model = scriptedModel([() => calls({ id: "t1" }), endless.answer]);
  engine = await startEngine(model);
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  await answerCall(link);
  const working = engine.work();
  await endless.spoken;
  engine.sockets.fate.set(link.connectionId, "gone");
  await stop(key);
  await working;
  await bySweeper(11_000);
  expect(model.requests).toHaveLength(2);
  expect(await lastEnding(key)).toMatchObject({ data: { reason: "interrupted", checkpoint_pending: true, steps: 2 } });
  expect(names(await engine.log(key)).filter((name) => name === "assistant message")).toHaveLength(2);
  expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 2 });
});

describe("a worker that was taken for dead, and is not", () => {
  async function late(answer: AsyncIterable<ModelEvent> | Iterable<ModelEvent>, gate: Promise<void>) {
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const slow = async function* (): AsyncIterable<ModelEvent> {
      begin();
      await gate;
      yield* answer;
    };
    engine = await startEngine(scriptedModel([slow, () => says("Next.")]));
    const key = await engine.session();
    await ask(key, "Build it");
    // It does not look: as if it stood still.
    const { sleep } = engine.clock;
    engine.clock.sleep = () => new Promise(() => undefined);
    const working = engine.work();
    await begun;
    await stop(key);
    engine.clock.sleep = sleep;
    await engine.work({ delayed: true });
    expect(await lastEnding(key)).toMatchObject({ data: { reason: "interrupted", steps: 0 } });
    return { key, working };
  }

  test("adds no message, but pays what the API counted, once", async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { key, working } = await late(says("Too late."), gate);
    open();
    await working;
    expect(names(await engine.log(key))).not.toContain("assistant message");
    expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 1, tokens: 120 });
  });

  test("the same while the next turn runs", async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { key, working } = await late(says("Too late."), gate);
    await ask(key, "Next");
    await engine.work();
    open();
    await working;
    const said = (await engine.log(key)).filter((row) => row.kind === "message" && row.role === "assistant");
    expect(said).toMatchObject([{ content: [{ text: "Next." }] }]);
    expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 2, tokens: 240 });
  });
});

test("the ledger says what the API had counted, and no more", async () => {
  const endless = endlessAnswer([{ type: "text", text: "Half" }]);
  engine = await startEngine(scriptedModel([endless.answer]));
  const key = await engine.session();
  await ask(key, "Build it");
  const working = engine.work();
  await endless.spoken;
  await stop(key);
  await working;
  const { input_tokens, output_tokens } = countedSoFar;
  expect(await spentOfSession(engine.deps.table, key)).toMatchObject({
    tokens: input_tokens + output_tokens,
    cost_micro_usd: input_tokens * 2 + output_tokens * 10,
  });
});
