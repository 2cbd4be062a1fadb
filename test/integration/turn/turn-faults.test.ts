import { rows } from "../../../shared/data/service.ts";
import { listCheckpoints } from "../../../shared/domain/checkpoint/checkpoint.ts";
import { latestContainer } from "../../../shared/domain/container/container.ts";
import { greet, markAlive, requireLive } from "../../../shared/domain/container/link.ts";
import { lookAtSession } from "../../../shared/agent/look.ts";
import { recordPush } from "../../../shared/domain/checkpoint/report.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { failSession } from "../../../shared/domain/turn/fail-session.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { leaseMs } from "../../../shared/domain/turn/step.decisions.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { spentOfSession } from "../../../shared/domain/usage/usage.ts";
import { ModelFailure, type ModelEvent } from "../../../shared/ports/model.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { names, resultOf, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask, linkUp, sentTo, report, answerCall } = turnDriver(() => engine);

/** A turn of one call whose answer is there: its checkpoint is waited for. */
async function untilCheckpoint() {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), () => says("Done.")]));
  const key = await engine.session();
  const { turn_id } = await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  await answerCall(link);
  await engine.work();
  return { key, turn_id, link };
}

test("a result counts once, with its nonce, in its epoch", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }, { id: "t2" }), () => says("Done.")]));
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  const [first] = sentTo(link, "tool.run");
  if (!first) throw new Error("no call");
  await expect(receiveResult(engine.deps, link, { ...resultOf(first), nonce: "guess" })).rejects.toMatchObject({
    code: "conflict",
  });
  await expect(receiveResult(engine.deps, { ...link, epoch: 2 }, resultOf(first))).rejects.toMatchObject({
    code: "conflict",
  });
  await expect(receiveResult(engine.deps, link, { ...resultOf(first), call_id: "t9" })).rejects.toMatchObject({
    code: "conflict",
  });
  await receiveResult(engine.deps, link, resultOf(first));
  await expect(receiveResult(engine.deps, link, resultOf(first))).rejects.toMatchObject({ code: "conflict" });
  const completed = (await engine.log(key)).filter((row) => row.kind === "event" && row.type === "tool.completed");
  expect(completed).toHaveLength(1);
});

test("results that race each other are all kept, in a gapless log", async () => {
  const ids = Array.from({ length: 12 }, (_, index) => ({ id: `t${index}` }));
  engine = await startEngine(scriptedModel([() => calls(...ids), () => says("Done.")]));
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  await Promise.all(
    sentTo(link, "tool.run").map(async (command) => {
      for (;;) {
        try {
          return await receiveResult(engine.deps, link, resultOf(command));
        } catch (error) {
          if ((error as { code?: string }).code !== "busy") throw error;
        }
      }
    }),
  );
  const log = await engine.log(key);
  expect(log.filter((row) => row.kind === "event" && row.type === "tool.completed")).toHaveLength(12);
  expect(log.map((row) => row.seq)).toEqual(log.map((_, index) => index + 1));
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "model", pending_calls: 0 });
});

/** From now on no worker looks at its step, as if it stood still. */
async function stopLooking(): Promise<void> {
  engine.clock.sleep = () => new Promise(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
}

test("a worker that lost its lease commits nothing", async () => {
  let takeOver: () => Promise<void> = async () => undefined;
  const slow = async function* (): AsyncIterable<ModelEvent> {
    await takeOver();
    yield* says("Too late.");
  };
  const model = scriptedModel([slow, () => says("In time.")]);
  engine = await startEngine(model);
  const key = await engine.session();
  await ask(key, "Hello");
  takeOver = async () => {
    await stopLooking();
    engine.clock.advance(120_000);
    engine.queue.sent.push({
      wakeUp: { tenant_id: key.tenant_id, session_id: key.session_id, hops: 0 },
      delaySeconds: 0,
    });
    await engine.work();
  };
  await engine.work();
  const answers = (await engine.log(key)).filter((row) => row.kind === "message" && row.role === "assistant");
  expect(answers).toHaveLength(1);
  expect(answers[0]).toMatchObject({ content: [{ text: "In time." }] });
  expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 1 });
});

test("a lost container: its calls get a result, the turn goes on with the next one", async () => {
  const model = scriptedModel([() => calls({ id: "t1" }), () => calls({ id: "t2" }), () => says("Done.")]);
  engine = await startEngine(model);
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  engine.clock.advance(40_000);
  await engine.work({ delayed: true }).catch(() => undefined);
  const log = await engine.log(key);
  expect(names(log)).toContain("container.lost");
  expect(log.find((row) => row.kind === "event" && row.type === "tool.completed")).toMatchObject({
    data: { call_id: "t1", is_error: true },
  });
  const next = await latestContainer(engine.deps.table, key);
  expect(next?.epoch).toBeGreaterThan(link.epoch);
  await expect(greet(engine.deps, link, { frame_id: "f2", private_ip: null })).rejects.toMatchObject({
    code: "conflict",
  });
});

test("an overloaded model: the step waits as long as it asks and nothing is committed", async () => {
  let refuse = true;
  const overloaded = function* (): Iterable<ModelEvent> {
    if (refuse) throw new ModelFailure("overloaded", "529", { retryAfterMs: 7_000 });
    yield* says("Back.");
  };
  engine = await startEngine(scriptedModel([overloaded]));
  const key = await engine.session();
  await ask(key, "Hello");
  await engine.work();
  expect(engine.queue.sent).toEqual([expect.objectContaining({ delaySeconds: 8 })]);
  expect((await engine.log(key)).some((row) => row.kind === "message" && row.role === "assistant")).toBe(false);
  expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 0 });
  refuse = false;
  await engine.work({ delayed: true });
  expect((await engine.log(key)).at(-1)).toMatchObject({ data: { reason: "completed" } });
});

test("a rejected request ends the turn with its reason, and the next prompt works", async () => {
  const rejected = (): Iterable<ModelEvent> => {
    throw new ModelFailure("rejected", "400 invalid_request_error");
  };
  engine = await startEngine(scriptedModel([rejected, () => says("Fine.")]));
  const key = await engine.session();
  await ask(key, "Hello");
  await engine.work();
  expect((await engine.log(key)).at(-1)).toMatchObject({
    data: { reason: "error", error: { code: "model_rejected" } },
  });
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ status: "failed" });
  await ask(key, "Again");
  await engine.work();
  expect((await engine.log(key)).at(-1)).toMatchObject({ data: { reason: "completed" } });
});

test("a lost wake-up is found by the sweeper; a resting session is not", async () => {
  engine = await startEngine(scriptedModel([() => says("Hello.")]));
  const key = await engine.session();
  await ask(key, "Hello");
  engine.queue.sent.length = 0;
  expect(await sweep(engine.deps)).toBe(0);
  engine.clock.advance(60_000);
  expect(await sweep(engine.deps)).toBe(1);
  await engine.work();
  expect((await engine.log(key)).at(-1)).toMatchObject({ data: { reason: "completed" } });
  engine.clock.advance(600_000);
  await sweep(engine.deps);
  expect(engine.queue.sent).toEqual([]);
});

test("a checkpoint that never comes does not keep the turn", async () => {
  const { key, turn_id, link } = await untilCheckpoint();
  engine.clock.advance(11_000);
  // A sandbox that is only late lives: one that said nothing for so long would be lost.
  await markAlive(engine.deps, link);
  await lookAtSession(engine.deps, { ...link.key, hops: 0 });
  expect((await engine.log(key)).at(-1)).toMatchObject({
    data: { reason: "completed", checkpoint: null, checkpoint_pending: true },
  });
  await report(link, turn_id);
  expect(names(await engine.log(key)).at(-1)).toBe("checkpoint");
  await report(link, turn_id);
  expect(names(await engine.log(key)).filter((name) => name === "checkpoint")).toHaveLength(1);
});

test("a step that fails again and again ends its turn, and does not ask the model for ever", async () => {
  const broken = (): Iterable<ModelEvent> => {
    throw new Error("a bug of ours");
  };
  const model = scriptedModel([broken]);
  engine = await startEngine(model);
  const key = await engine.session();
  await ask(key, "Hello");
  for (let round = 0; round < 10; round += 1) {
    await engine.work().catch(() => undefined);
    engine.clock.advance(120_000);
    await sweep(engine.deps);
  }
  expect(model.requests.length).toBeLessThanOrEqual(5);
  expect((await engine.log(key)).at(-1)).toMatchObject({ data: { reason: "error", error: { code: "internal" } } });
});

test("a dead letter leaves a turn alone that another worker is at, and ends it where nobody is", async () => {
  const dies = (): Iterable<ModelEvent> => {
    throw new Error("killed");
  };
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  engine = await startEngine(
    scriptedModel([
      async function* () {
        await gate;
        yield* says("There.");
      },
      dies,
      () => says("Again."),
    ]),
  );
  const key = await engine.session();
  const wakeUp = { ...key, hops: 0 };
  const lastEnd = async () =>
    (await engine.log(key)).findLast((row) => row.kind === "event" && row.type === "turn.ended");
  await ask(key, "One");
  const working = engine.work();
  while ((await readConversation(engine.deps.table, key))?.lease_until === 0) await new Promise(setImmediate);
  await failSession(engine.deps, wakeUp);
  open();
  await working;
  expect(await lastEnd()).toMatchObject({ data: { reason: "completed" } });

  await ask(key, "Two");
  await expect(engine.work()).rejects.toThrow("killed");
  await failSession(engine.deps, wakeUp);
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "model" });
  engine.clock.advance(leaseMs + 1);
  await failSession(engine.deps, wakeUp);
  expect(await lastEnd()).toMatchObject({ data: { reason: "error", error: { code: "internal" } } });
  await failSession(engine.deps, wakeUp);
  await ask(key, "Three");
  await engine.work();
  expect(await lastEnd()).toMatchObject({ data: { reason: "completed" } });
});

test("a dead letter while the worker that died still counts: the sweeper has the turn gone on with", async () => {
  const dies = (): Iterable<ModelEvent> => {
    throw new Error("killed");
  };
  engine = await startEngine(scriptedModel([dies, () => says("Done.")]));
  const key = await engine.session();
  await ask(key, "One");
  await expect(engine.work()).rejects.toThrow("killed");
  await failSession(engine.deps, { ...key, hops: 0 });
  engine.clock.advance(60_000);
  expect(await sweep(engine.deps)).toBe(1);
  await engine.work();
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "none", head: expect.any(Number) });
});

test("a turn that is given up while its calls run: the sandbox is told to stop them", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }, { id: "t2" })]));
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  await answerCall(link);
  await failSession(engine.deps, { ...key, hops: 0 });
  expect(sentTo(link, "tool.cancel").map(({ call_id }) => call_id)).toEqual(["t2"]);
  await failSession(engine.deps, { ...key, hops: 0 });
  expect(sentTo(link, "tool.cancel")).toHaveLength(1);
});

test("a turn that is given up after its interrupt was asked for ends as interrupted", async () => {
  const stops = (): Iterable<ModelEvent> => {
    throw new Error("killed");
  };
  engine = await startEngine(scriptedModel([stops]));
  const key = await engine.session();
  const { turn_id } = await ask(key, "Build it");
  await expect(engine.work()).rejects.toThrow("killed");
  const answer = await interrupt(engine.deps, key, { user_id: key.user_id, request_id: "stop" });
  expect(answer).toEqual({ turn_id, state: "interrupting" });
  engine.clock.advance(leaseMs + 1);
  await failSession(engine.deps, { ...key, hops: 0 });
  expect((await engine.log(key)).at(-1)).toMatchObject({ data: { reason: "interrupted", error: null } });
});

test("a turn that is given up while its checkpoint is waited for has its answer all the same", async () => {
  const { key, turn_id, link } = await untilCheckpoint();
  await failSession(engine.deps, { ...key, hops: 0 });
  const ended = { turn_id, data: { reason: "completed", error: null, checkpoint_pending: true } };
  expect((await engine.log(key)).at(-1)).toMatchObject(ended);
  await report(link, turn_id, "a".repeat(40), "pushed");
  expect((await engine.log(key)).at(-1)).toMatchObject({ kind: "checkpoint", turn_id });
});

test("a link that was replaced while the model spoke: the calls reach the new one", async () => {
  let reconnect: () => Promise<void> = async () => undefined;
  const slow = async function* (): AsyncIterable<ModelEvent> {
    await reconnect();
    yield* calls({ id: "t2" });
  };
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), slow]));
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  reconnect = async () => {
    engine.sockets.fate.set(link.connectionId, "gone");
    await greet(engine.deps, { ...link, connectionId: "link-again" }, { frame_id: "f9", private_ip: null });
  };
  await answerCall(link);
  await engine.work();
  expect(sentTo({ ...link, connectionId: "link-again" }, "tool.run").map(({ call_id }) => call_id)).toEqual(["t2"]);
});

test("a push that is told before its checkpoint waits for it", async () => {
  const { key, turn_id, link } = await untilCheckpoint();
  const pushed = { commit: "a".repeat(40), branch: "work" };
  await expect(recordPush(engine.deps, link, pushed)).rejects.toMatchObject({ code: "busy" });
  await report(link, turn_id, pushed.commit, "pending");
  await recordPush(engine.deps, link, pushed);
  const { data } = await listCheckpoints(engine.deps.table, key, { limit: 10, cursor: null });
  expect(data.map(({ push_status }) => push_status)).toEqual(["pushed"]);
});

test("a push that went through late is marked, whichever checkpoint it was", async () => {
  const { key, turn_id, link } = await untilCheckpoint();
  await report(link, turn_id, "a".repeat(40), "pending");
  await report(link, turn_id, "b".repeat(40), "pending");
  await recordPush(engine.deps, link, { commit: "a".repeat(40), branch: "work" });
  await recordPush(engine.deps, link, { commit: "a".repeat(40), branch: "work" });
  const { data } = await listCheckpoints(engine.deps.table, key, { limit: 10, cursor: null });
  expect(data.map(({ number, push_status }) => [number, push_status])).toEqual([
    [2, "pending"],
    [1, "pushed"],
  ]);
  expect(names(await engine.log(key)).filter((name) => name === "checkpoint.pushed")).toHaveLength(1);
});

test("a push that went through late is marked, however many checkpoints came after", async () => {
  const { key, turn_id, link } = await untilCheckpoint();
  await report(link, turn_id, "a".repeat(40), "pending");
  const { gitCheckpoint } = rows(engine.deps.table).entities;
  const [stored] = (await gitCheckpoint.query.byNumber(key).go()).data;
  const later = Array.from({ length: 60 }, (_, at) => {
    const number = at + 2;
    return { ...stored!, number, seq: stored!.seq + number, commit: `${number}`.padEnd(40, "c") };
  });
  await Promise.all(later.map((row) => gitCheckpoint.create(row).go()));
  await recordPush(engine.deps, link, { commit: "a".repeat(40), branch: "work" });
  const again = await gitCheckpoint.get({ ...key, seq: stored!.seq }).go();
  expect(again.data).toMatchObject({ push_status: "pushed", branch: "work" });
});

test("a fenced sandbox is told to stop", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" })]));
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  await rows(engine.deps.table)
    .entities.container.patch({ ...link.key, epoch: link.epoch })
    .set({ status: "lost" })
    .go();
  const again = { ...link, connectionId: "old-one" };
  await expect(greet(engine.deps, again, { frame_id: "f", private_ip: null })).rejects.toMatchObject({
    code: "conflict",
  });
  expect(sentTo(again, "stop")).toHaveLength(1);
  await expect(requireLive(engine.deps, link)).rejects.toMatchObject({ code: "conflict" });
});
