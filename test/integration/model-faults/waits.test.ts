import { lookAtSession } from "../../../shared/agent/look.ts";
import { costMicroUsd } from "../../../shared/config/models.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { spentOfSession } from "../../../shared/domain/usage/usage.ts";
import { ModelFailure, type Model, type ModelEvent, type ModelRequest } from "../../../shared/ports/model.ts";
import { endlessAnswer } from "../../support/broken-off.ts";
import { says, startEngine, usage, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { turnDriver } from "../../support/turn-driver.ts";
import { watchedSession } from "../../support/watched-session.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;

const minute = 60_000;
const wakeUpOf = ({ tenant_id, session_id }: Key) => ({ tenant_id, session_id, hops: 0 });
const stateOf = (key: Key) => readConversation(engine.deps.table, key);
const said = async (key: Key) =>
  (await engine.log(key)).flatMap((row) => (row.kind === "message" && row.role === "assistant" ? [row] : []));
const endOf = async (key: Key) =>
  (await engine.log(key)).findLast((row) => row.kind === "event" && row.type === "turn.ended");
const callsOf = async (key: Key) => (await spentOfSession(engine.deps.table, key)).model_calls;

function refuses(retryAfterMs: number | null = null): Iterable<ModelEvent> {
  throw new ModelFailure("overloaded", "529", { retryAfterMs });
}

describe("a model that refuses", () => {
  it("for ever: the turn ends with a clear error, and the prompt that waited has its own try", async () => {
    let isDown = true;
    const model = scriptedModel([() => (isDown ? refuses(4 * minute) : says("Back."))]);
    engine = await startEngine(model);
    const key = await engine.session();
    const startedAt = engine.clock.now();
    const { turn_id } = await ask(key, "Hello");
    await ask(key, "And then");
    while ((await stateOf(key))?.turn_id === turn_id) {
      const [wakeUp] = engine.queue.sent.splice(0, 1);
      if (!wakeUp) throw new Error("nobody wakes it");
      engine.clock.advance(wakeUp.delaySeconds * 1000);
      await lookAtSession(engine.deps, wakeUp.wakeUp);
    }
    expect(engine.clock.now() - startedAt).toBeLessThanOrEqual(17 * minute);
    expect(model.requests).toHaveLength(5);
    expect(await endOf(key)).toMatchObject({
      turn_id,
      data: { error: { code: "model_unavailable", message: "The model did not answer for 15 minutes" } },
    });
    isDown = false;
    await engine.work();
    expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
    expect(await callsOf(key)).toBe(1);
  });

  it("for longer than SQS delays: nobody asks it before, whoever wakes the session; the sweeper wakes it in time", async () => {
    const model = scriptedModel([() => refuses(20 * minute), () => says("Back.")]);
    engine = await startEngine(model);
    const key = await engine.session();
    await ask(key, "Hello");
    await engine.work();
    const { due_at = 0 } = (await stateOf(key)) ?? {};
    expect(due_at).toBeGreaterThanOrEqual(engine.clock.now() + 20 * minute);
    expect(engine.queue.sent).toEqual([]);
    engine.clock.advance(minute);
    await ask(key, "Are you there?");
    await lookAtSession(engine.deps, wakeUpOf(key));
    await engine.work();
    expect([model.requests.length, await sweep(engine.deps)]).toEqual([1, 0]);
    engine.clock.advance(due_at - engine.clock.now());
    expect(await sweep(engine.deps)).toBe(1);
    await engine.work();
    expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  });

  it("and is interrupted meanwhile: the turn ends at once, and the next prompt does not wait", async () => {
    engine = await startEngine(scriptedModel([() => refuses(10 * minute), () => says("Back.")]));
    const key = await engine.session();
    await ask(key, "Hello");
    await engine.work();
    await interrupt(engine.deps, key, { user_id: key.user_id, request_id: null });
    await engine.work();
    expect(await endOf(key)).toMatchObject({ data: { reason: "interrupted" } });
    await ask(key, "Again");
    await engine.work();
    expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  });

  it("again after an answer: the wait is counted anew", async () => {
    const pauses = (): ModelEvent[] => [
      {
        type: "completed",
        content: [{ type: "text", text: "So far" }],
        stopReason: "pause_turn",
        usage,
        requestId: null,
      },
    ];
    const script = [() => refuses(), () => refuses(), pauses, () => refuses(), () => says("Back.")];
    const model = scriptedModel(script);
    engine = await startEngine(model);
    const key = await engine.session();
    await ask(key, "Hello");
    const counts: (number | undefined)[] = [];
    while (model.requests.length < script.length) {
      const [wakeUp] = engine.queue.sent.splice(0, 1);
      if (!wakeUp) throw new Error("nobody wakes it");
      engine.clock.advance(wakeUp.delaySeconds * 1000);
      await lookAtSession(engine.deps, wakeUp.wakeUp);
      counts.push((await stateOf(key))?.setbacks?.count);
    }
    expect(counts).toEqual([1, 2, undefined, 1, undefined]);
    expect(await endOf(key)).toMatchObject({ data: { reason: "completed", steps: 2 } });
  });
});

describe("a worker whose own time ends before the answer does", () => {
  /** Looks with the wake-up that is there, with so much time left; the time passes once the model speaks. */
  async function outlasted(model: ReturnType<typeof endlessAnswer>) {
    const [wakeUp] = engine.queue.sent.splice(0, 1);
    if (!wakeUp) throw new Error("nobody wakes it");
    expect(wakeUp.delaySeconds).toBe(0);
    const working = lookAtSession({ ...engine.deps, endsAt: engine.clock.now() + 15 * minute }, wakeUp.wakeUp);
    await model.spoken;
    engine.clock.advance(14 * minute);
    await working;
  }

  it("gives the step back a minute before, keeps nothing of it, and the next one tries", async () => {
    const endless = endlessAnswer([{ type: "text", text: "Once upon a time" }]);
    engine = await startEngine(scriptedModel([endless.answer, () => says("Short.")]));
    const key = await watchedSession(engine);
    await ask(key, "Tell me a story");
    await outlasted(endless);
    expect([await said(key), await callsOf(key)]).toEqual([[], 0]);
    expect(await stateOf(key)).toMatchObject({ attempts: 0, lease_until: 0, setbacks: { count: 1, wasted: 1 } });
    expect(key.told().at(-1)).toMatchObject({
      type: "model.waiting",
      data: { code: "out_of_time", retry_after_ms: 0 },
    });
    await engine.work();
    expect(await endOf(key)).toMatchObject({ data: { reason: "completed", steps: 1 } });
    expect(await callsOf(key)).toBe(1);
  });

  it("three times: the turn ends with a clear error", async () => {
    const endless = [1, 2, 3].map(() => endlessAnswer([{ type: "text", text: "Once" }]));
    const model = scriptedModel(endless.map(({ answer }) => answer));
    engine = await startEngine(model);
    const key = await engine.session();
    await ask(key, "Tell me a story");
    for (const one of endless) await outlasted(one);
    expect(await endOf(key)).toMatchObject({
      data: { reason: "error", error: { code: "model_unavailable", message: expect.stringContaining("too long") } },
    });
    expect([model.requests.length, engine.queue.sent]).toEqual([3, []]);
  });
});

it("a worker that is killed: with nothing but the sweeper the turn goes on within two minutes (R6)", async () => {
  const endless = endlessAnswer([{ type: "text", text: "Hel" }]);
  engine = await startEngine(scriptedModel([endless.answer, () => says("Hello.")]));
  const key = await engine.session();
  await ask(key, "Hello");
  const { sleep } = engine.clock;
  const [wakeUp] = engine.queue.sent.splice(0, 1);
  if (!wakeUp) throw new Error("nobody wakes it");
  // The dead one neither looks nor speaks any more.
  const dead = { ...engine.deps, clock: { ...engine.clock, sleep: () => new Promise<void>(() => undefined) } };
  void lookAtSession(dead, wakeUp.wakeUp);
  await endless.spoken;
  const diedAt = engine.clock.now();
  // The worst moment: the sweeper has just looked when the step is due.
  const { due_at = 0 } = (await stateOf(key)) ?? {};
  engine.clock.advance(due_at - 1 - diedAt);
  expect(await sweep(engine.deps)).toBe(0);
  engine.clock.advance(minute);
  expect(await sweep(engine.deps)).toBe(1);
  engine.clock.sleep = sleep;
  await engine.work();
  expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  expect(engine.clock.now() - diedAt).toBeLessThanOrEqual(120_000);
  expect([(await said(key)).length, await callsOf(key)]).toEqual([1, 1]);
});

describe("the fallback model", () => {
  const first = "claude-sonnet-5-5";
  const second = "claude-opus-5-5";
  const thought = { type: "thinking" as const, thinking: "so", signature: "sig" };

  /** Thinks before it answers, and names itself. */
  function thinks(model: string): ModelEvent[] {
    const content = [thought, { type: "text" as const, text: model }];
    return [{ type: "completed", content, stopReason: "end_turn", usage: { ...usage, model }, requestId: null }];
  }

  it("answers while the first one refuses, is billed as itself, and sees no thought of the other", async () => {
    let isDown = false;
    const model = scriptedModel([({ model: asked }) => (asked === first && isDown ? refuses() : thinks(asked))]);
    engine = await startEngine(model);
    Object.assign(engine.deps, { turnModel: first, fallbackModel: second, price: costMicroUsd });
    const key = await watchedSession(engine);
    const askAnd = async (prompt: string) => {
      await ask(key, prompt);
      await engine.work({ delayed: true });
      return (await said(key)).at(-1);
    };
    await askAnd("One");
    isDown = true;
    const answer = await askAnd("Two");
    const at = engine.clock.now();
    expect(answer?.usage).toMatchObject({
      model: second,
      cost_micro_usd: costMicroUsd({ ...usage, model: second }, at),
    });
    expect(key.told()).toContainEqual(
      expect.objectContaining({ data: expect.objectContaining({ next_model: second }) }),
    );
    const thoughtsIn = (request: ModelRequest | undefined) =>
      JSON.stringify(request?.messages).split('"thinking":"so"').length - 1;
    expect([model.requests.at(-1)?.model, thoughtsIn(model.requests.at(-1))]).toEqual([second, 0]);
    // It stays for a while: each step that would try the other first would wait again.
    const before = model.requests.length;
    await askAnd("Three");
    expect(model.requests.slice(before).map((request) => request.model)).toEqual([second]);
    isDown = false;
    engine.clock.advance(10 * minute);
    await askAnd("Four");
    expect([model.requests.at(-1)?.model, await callsOf(key)]).toEqual([first, 4]);
  });
});

describe("many workers", () => {
  /** Counts who speaks at the same time, over all sessions. */
  function crowded(steps: number) {
    let speaking = 0;
    let most = 0;
    let answered = 0;
    const model: Model = {
      async *stream() {
        speaking += 1;
        most = Math.max(most, speaking);
        for (let pause = 0; pause < 5; pause += 1) await new Promise((resolve) => setImmediate(resolve));
        speaking -= 1;
        answered += 1;
        const isLast = answered >= steps;
        const content = [{ type: "text" as const, text: `step ${answered}` }];
        yield { type: "completed", content, stopReason: isLast ? "end_turn" : "pause_turn", usage, requestId: null };
      },
    };
    return { model, seen: () => ({ most, answered }) };
  }

  it("of one session never work on a step at the same time", async () => {
    const crowd = crowded(6);
    engine = await startEngine(crowd.model);
    const key = await engine.session();
    await ask(key, "Hello");
    for (let round = 0; round < 6; round += 1) {
      await Promise.all(Array.from({ length: 8 }, () => lookAtSession(engine.deps, wakeUpOf(key))));
    }
    expect(crowd.seen()).toEqual({ most: 1, answered: 6 });
    expect((await said(key)).map((row) => row.step)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await callsOf(key)).toBe(6);
    expect(await endOf(key)).toMatchObject({ data: { reason: "completed", steps: 6 } });
  });

  it("of other sessions do not wait for one whose model is silent", async () => {
    const silent = endlessAnswer(null);
    engine = await startEngine(scriptedModel([silent.answer, () => says("Hello.")]));
    const stuck = await engine.session();
    const other = await engine.session(stuck.tenant_id);
    await ask(stuck, "Hello");
    await ask(other, "Hello");
    const [first, second] = engine.queue.sent.splice(0, 2);
    if (!first || !second) throw new Error("nobody wakes them");
    const endsAt = engine.clock.now() + 15 * minute;
    const waiting = lookAtSession({ ...engine.deps, endsAt }, first.wakeUp);
    await silent.spoken;
    await lookAtSession(engine.deps, second.wakeUp);
    expect(await endOf(other)).toMatchObject({ data: { reason: "completed" } });
    expect(await endOf(stuck)).toBeUndefined();
    engine.clock.advance(15 * minute);
    await waiting;
  });
});
