import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { submitPrompt } from "../../../shared/domain/turn/prompt.ts";
import { readQueue } from "../../../shared/domain/turn/queue.ts";
import { interruptedOutput } from "../../../shared/protocol/conversation.ts";
import { endlessAnswer } from "../../support/broken-off.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { pausedTable } from "../../support/paused-table.ts";
import { resultOf, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask, linkUp, firstCall, answerCall } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;

/** The verb's own table is paused before its write; what comes between uses the engine's. */
const stopWhile = (key: Key, kind: string, meanwhile: () => Promise<unknown>) =>
  interrupt({ ...engine.deps, table: pausedTable(engine.deps.table, kind, meanwhile) }, key, {
    user_id: key.user_id,
    request_id: kind === "TransactWriteCommand" ? "r1" : null,
  });
const stop = (key: Key) => interrupt(engine.deps, key, { user_id: key.user_id, request_id: null });
const endings = async (key: Key) =>
  (await engine.log(key)).flatMap((row) =>
    row.kind === "event" && row.type === "turn.ended" ? [[row.turn_id, row.data.reason]] : [],
  );

/** A worker whose first transaction that holds `text` waits. */
async function workWhile(key: Key, kind: string, text: string, meanwhile: () => Promise<unknown>): Promise<void> {
  const { table } = engine.deps;
  engine.deps.table = pausedTable(
    table,
    kind,
    async () => {
      engine.deps.table = table;
      await meanwhile();
    },
    text,
  );
  await engine.work();
  engine.deps.table = table;
}

test("between the commit's read and its write: the answer is kept, its calls do not run", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" })]));
  const key = await engine.session();
  const { turn_id } = await ask(key, "Build it");
  await workWhile(key, "TransactWriteCommand", "tool.started", () => stop(key));
  await engine.work();
  expect(await endings(key)).toEqual([[turn_id, "interrupted"]]);
  const completed = (await engine.log(key)).filter((row) => row.kind === "event" && row.type === "tool.completed");
  expect(completed).toMatchObject([{ data: { call_id: "t1", output: interruptedOutput } }]);
});

test("between the claim's read and its write: the model is not asked", async () => {
  const model = scriptedModel([() => says("Never.")]);
  engine = await startEngine(model);
  const key = await engine.session();
  const { turn_id } = await ask(key, "Build it");
  await workWhile(key, "UpdateCommand", "fence", () => stop(key));
  await engine.work();
  expect(model.requests).toEqual([]);
  expect(await endings(key)).toEqual([[turn_id, "interrupted"]]);
});

test.each(["UpdateCommand", "TransactWriteCommand"])(
  "the turn ends between the interrupt's read and its write (%s): the next one is not touched",
  async (kind) => {
    const next = endlessAnswer([{ type: "text", text: "Next" }]);
    engine = await startEngine(scriptedModel([() => says("One."), next.answer]));
    const key = await engine.session();
    const one = await ask(key, "One");
    const two = await ask(key, "Two");
    let working: Promise<void> = Promise.resolve();
    const answer = await stopWhile(key, kind, async () => {
      working = engine.work();
      await next.spoken;
    });
    expect(answer).toEqual({ turn_id: one.turn_id, state: "idle" });
    expect(await endings(key)).toEqual([[one.turn_id, "completed"]]);
    expect(await readConversation(engine.deps.table, key)).toMatchObject({ turn_id: two.turn_id });
    await stop(key);
    await working;
  },
);

test("the last result comes between: the turn ends all the same, with the real result", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" })]));
  const key = await engine.session();
  const { turn_id } = await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  const call = firstCall(link);
  const answer = await stopWhile(key, "TransactWriteCommand", () => receiveResult(engine.deps, link, resultOf(call)));
  expect(answer).toEqual({ turn_id, state: "interrupting" });
  await engine.work();
  const completed = (await engine.log(key)).filter((row) => row.kind === "event" && row.type === "tool.completed");
  expect(completed).toMatchObject([{ data: { call_id: "t1", output: "ok", is_error: false } }]);
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "checkpoint" });
});

test("the interrupt comes between a result's read and its write: the result is too late", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" })]));
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  const call = firstCall(link);
  const table = pausedTable(engine.deps.table, "TransactWriteCommand", () => stop(key));
  await expect(receiveResult({ ...engine.deps, table }, link, resultOf(call))).rejects.toMatchObject({
    code: "conflict",
  });
  const completed = (await engine.log(key)).filter((row) => row.kind === "event" && row.type === "tool.completed");
  expect(completed).toMatchObject([{ data: { output: interruptedOutput } }]);
});

test("an urgent prompt whose turn ends meanwhile: the one that began stays, the urgent one is next", async () => {
  const next = endlessAnswer([{ type: "text", text: "Next" }]);
  engine = await startEngine(scriptedModel([() => says("One."), next.answer, () => says("Fine.")]));
  const key = await engine.session();
  const one = await ask(key, "One");
  const two = await ask(key, "Two");
  const three = await ask(key, "Three");
  let working: Promise<void> = Promise.resolve();
  const table = pausedTable(engine.deps.table, "TransactWriteCommand", async () => {
    working = engine.work();
    await next.spoken;
  });
  const urgent = await submitPrompt({ ...engine.deps, table }, key, {
    user_id: key.user_id,
    request_id: null,
    content: "Urgent",
    delivery: "interrupt",
  });
  expect(await endings(key)).toEqual([[one.turn_id, "completed"]]);
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ turn_id: two.turn_id });
  expect((await readQueue(engine.deps, key)).map(({ turn_id }) => turn_id)).toEqual([urgent.turn_id, three.turn_id]);
  await stop(key);
  await working;
});

/** A worker whose call `t2` is on its way to the sandbox while its turn is stopped, and ended by another worker. */
async function stopBeforeRun(meanwhile: (key: Key, connectionId: string) => Promise<void> = async () => undefined) {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), () => calls({ id: "t2" })]));
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  await answerCall(link);
  const { post } = engine.sockets;
  let isFirst = true;
  engine.sockets.post = async (connectionId, message) => {
    if (isFirst && message.includes('"tool.run"') && message.includes('"t2"')) {
      isFirst = false;
      await stop(key);
      await engine.work();
      await meanwhile(key, connectionId);
    }
    return post(connectionId, message);
  };
  await engine.work();
  return (connectionId: string) =>
    ((engine.sockets.posted.get(connectionId) ?? []) as { type: string; call_id?: string }[])
      .filter(({ call_id }) => call_id === "t2")
      .map(({ type }) => type);
}

test("a call behind its cancellation on the same link: the sandbox knows that it must not run", async () => {
  const sentTo = await stopBeforeRun();
  // That it then does not run: `test/integration/sandbox/tools.test.ts`.
  expect(sentTo("link-1")).toEqual(["tool.cancel", "tool.cancel", "tool.run"]);
});

test("a call whose cancellation was lost with the link before is cancelled again on the new one", async () => {
  const sentTo = await stopBeforeRun(async (key, connectionId) => {
    engine.sockets.fate.set(connectionId, "gone");
    await linkUp(key, "anew");
  });
  expect(sentTo("anew")).toEqual(["tool.run", "tool.cancel"]);
});
