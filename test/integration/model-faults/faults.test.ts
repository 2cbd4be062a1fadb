import type { Context, SQSEvent } from "aws-lambda";
import { AnthropicModel } from "../../../shared/adapters/model-anthropic.ts";
import { lookAtSession } from "../../../shared/agent/look.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { examine } from "../../../shared/domain/doctor/examine.ts";
import { readSessionForDoctor } from "../../../shared/domain/doctor/read.ts";
import { spentOfSession } from "../../../shared/domain/usage/usage.ts";
import { WakeUp } from "../../../shared/protocol/wake-up.ts";
import { onRecords } from "../../../functions/kit/queue.ts";
import { startEngine, type Engine } from "../../support/engine.ts";
import { manualTimers } from "../../support/manual-timers.ts";
import {
  begun,
  ended,
  refuses,
  startScriptedMessages,
  streams,
  text,
  type ScriptedMessages,
} from "../../support/scripted-messages.ts";
import { turnDriver } from "../../support/turn-driver.ts";
import { watchedSession } from "../../support/watched-session.ts";
import { answers, ending, waiting } from "./faults.ts";

let engine: Engine;
let api: ScriptedMessages;
const timers = manualTimers();
const keys = { used: "good", asked: [] as boolean[] };

beforeAll(async () => {
  api = await startScriptedMessages();
  const apiKey = async ({ fresh }: { fresh: boolean }) => {
    keys.asked.push(fresh);
    return keys.used;
  };
  engine = await startEngine(new AnthropicModel({ apiKey, baseUrl: api.url, startTimer: timers.startTimer }));
});
afterEach(() => {
  api.script.length = 0;
});
afterAll(async () => {
  await engine.stop();
  await api.close();
});

const { ask } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;

/** What the event source gets back for each wake-up that is due. */
async function deliverWakeUps({ delayed = false } = {}) {
  const context = { getRemainingTimeInMillis: () => 900_000 } as Context;
  const handler = onRecords(WakeUp, () => engine.deps, lookAtSession);
  const answered = [];
  for (;;) {
    const at = engine.queue.sent.findIndex(({ delaySeconds }) => delayed || delaySeconds === 0);
    const [message] = at < 0 ? [] : engine.queue.sent.splice(at, 1);
    if (!message) return answered;
    engine.clock.advance(message.delaySeconds * 1000);
    const record = { messageId: "m", body: JSON.stringify(message.wakeUp) };
    answered.push(await handler({ Records: [record] } as SQSEvent, context));
  }
}

/** Wake-ups of the case before are none of this one's. */
function watched() {
  engine.queue.sent.length = 0;
  return watchedSession(engine);
}

const said = async (key: Key) =>
  (await engine.log(key)).flatMap((row) => (row.kind === "message" && row.role === "assistant" ? [row] : []));
const endOf = async (key: Key) =>
  (await engine.log(key)).findLast((row) => row.kind === "event" && row.type === "turn.ended");
const callsOf = async (key: Key) => (await spentOfSession(engine.deps.table, key)).model_calls;

async function isSound(key: Key): Promise<void> {
  const read = await readSessionForDoctor(engine.deps, key);
  expect(read && examine(read, { now: engine.clock.now() })).toEqual([]);
}

/** The whole answer to the next prompt: nothing is stuck, nothing was doubled. */
async function answersNext(key: Key, before: number): Promise<void> {
  api.script.length = 0;
  await ask(key, "Again");
  await deliverWakeUps({ delayed: true });
  expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  expect(await callsOf(key)).toBe(before + 1);
  await isSound(key);
}

describe("the turn waits, and nothing of the failed call is kept", () => {
  it.each(waiting)("$name", async ({ serve, code, from, to, isSilent }) => {
    const key = await watched();
    api.script.push(serve);
    await ask(key, "Hello");
    let isWorking = true;
    const working = deliverWakeUps().finally(() => {
      isWorking = false;
    });
    while (isSilent && isWorking) {
      timers.pass(30_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Acknowledged: the queue counts no failed delivery.
    expect(await working).toEqual([{ batchItemFailures: [] }]);
    expect(engine.queue.sent).toHaveLength(1);
    const delay = engine.queue.sent[0]?.delaySeconds ?? 0;
    expect(delay).toBeGreaterThanOrEqual(from);
    expect(delay).toBeLessThanOrEqual(to);
    expect([await said(key), await callsOf(key)]).toEqual([[], 0]);
    const parked = await readConversation(engine.deps.table, key);
    expect(parked).toMatchObject({ phase: "model", attempts: 0, lease_until: 0, setbacks: { count: 1 } });
    expect(parked?.reserved).toBeUndefined();
    expect(key.told().at(-1)).toMatchObject({
      type: "model.waiting",
      data: { code, retry_at: expect.stringContaining("T") },
    });
    await deliverWakeUps({ delayed: true });
    expect(await endOf(key)).toMatchObject({ data: { reason: "completed", steps: 1 } });
    expect(await said(key)).toMatchObject([{ content: [{ type: "text", text: "Fine." }] }]);
    expect(await callsOf(key)).toBe(1);
    await isSound(key);
  });

  it("while nothing listens there", async () => {
    const key = await watched();
    await api.close();
    await ask(key, "Hello");
    expect(await deliverWakeUps()).toEqual([{ batchItemFailures: [] }]);
    expect(await callsOf(key)).toBe(0);
    await api.open();
    await deliverWakeUps({ delayed: true });
    expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  });
});

describe("the turn ends with what stands in its way", () => {
  it.each(ending)("$name", async ({ serve, error, holdsQueue = false, requests = 1 }) => {
    const key = await watched();
    const before = api.seen.length;
    api.script.push(serve, ...(requests > 1 ? [serve] : []));
    const { turn_id } = await ask(key, "Hello");
    await ask(key, "And then");
    expect((await deliverWakeUps()).every(({ batchItemFailures }) => batchItemFailures.length === 0)).toBe(true);
    const end = (await engine.log(key)).find((row) => row.kind === "event" && row.type === "turn.ended");
    expect(end).toMatchObject({ turn_id, data: { reason: "error", error: { code: error } } });
    const { queue = [], phase } = (await readConversation(engine.deps.table, key)) ?? {};
    expect([queue.length, phase]).toEqual(holdsQueue ? [1, "none"] : [0, "none"]);
    const answered = holdsQueue ? 0 : 1;
    expect(api.seen.length - before).toBe(requests + answered);
    expect(await callsOf(key)).toBe(answered);
    if (!holdsQueue) await answersNext(key, answered);
    await isSound(key);
  });

  it("413, whatever is tried against it", async () => {
    const key = await watched();
    const tooLarge = refuses({ status: 413, type: "request_too_large" });
    api.script.push(...Array.from({ length: 20 }, () => tooLarge));
    await ask(key, "Hello");
    await deliverWakeUps({ delayed: true });
    expect(await endOf(key)).toMatchObject({ data: { reason: "error", error: { code: "context_full" } } });
    expect(await callsOf(key)).toBe(0);
    await answersNext(key, 0);
  });
});

describe("a whole answer", () => {
  it.each(answers)("$name", async ({ serve, content, reason, error }) => {
    const key = await watched();
    api.script.push(serve);
    await ask(key, "Hello");
    await deliverWakeUps();
    expect((await said(key)).map((message) => message.content)).toEqual([content]);
    expect(await endOf(key)).toMatchObject({ data: { reason, error: error ? { code: error } : null } });
    expect(await callsOf(key)).toBe(1);
    await answersNext(key, 1);
  });

  it("pause_turn: the model goes on by itself", async () => {
    const key = await watched();
    api.script.push(streams(begun, text(0, "So far"), ended("pause_turn")));
    await ask(key, "Hello");
    await deliverWakeUps();
    expect(await said(key)).toHaveLength(2);
    expect(await endOf(key)).toMatchObject({ data: { reason: "completed", steps: 2 } });
    await isSound(key);
  });
});

describe("the key", () => {
  it("that was rotated is read once more, and the call made at once", async () => {
    const key = await watched();
    keys.asked.length = 0;
    api.script.push((response, request) => {
      keys.used = "rotated";
      refuses({ status: 401, type: "authentication_error" })(response, request);
    });
    await ask(key, "Hello");
    await deliverWakeUps();
    expect(await endOf(key)).toMatchObject({ data: { reason: "completed", steps: 1 } });
    expect(keys.asked).toEqual([false, true, false]);
    expect(api.seen.slice(-2).map((each) => each.key)).toEqual(["good", "rotated"]);
    keys.used = "good";
  });
});
