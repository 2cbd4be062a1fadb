import { rows } from "../../../shared/data/service.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { submitPrompt } from "../../../shared/domain/turn/prompt.ts";
import { readQueue } from "../../../shared/domain/turn/queue.ts";
import { spentOfSession } from "../../../shared/domain/usage/usage.ts";
import { ModelFailure, type ModelEvent } from "../../../shared/ports/model.ts";
import { interruptedNote, interruptedOutput } from "../../../shared/protocol/conversation.ts";
import type { ContentBlock } from "../../../shared/protocol/content.ts";
import { endlessAnswer } from "../../support/broken-off.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { names, resultOf, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask, linkUp, sentTo, report, answerCall } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;

const stop = (key: Key, request_id: string | null = null, turn_id?: string) =>
  interrupt(engine.deps, key, { user_id: key.user_id, request_id, turn_id });
const urgently = (key: Key, content: string, request_id: string | null = null) =>
  submitPrompt(engine.deps, key, { user_id: key.user_id, request_id, content, delivery: "interrupt" });
const text = (words: string): ContentBlock => ({ type: "text", text: words });
const endings = async (key: Key) =>
  (await engine.log(key)).flatMap((row) =>
    row.kind === "event" && row.type === "turn.ended" ? [[row.turn_id, row.data.reason]] : [],
  );

describe("while the model speaks", () => {
  test("what it said is kept and marked, what was counted is billed once, and the next prompt works", async () => {
    const endless = endlessAnswer([text("Half of a sen")]);
    const model = scriptedModel([endless.answer, () => says("Done.")]);
    engine = await startEngine(model);
    const key = await engine.session();
    const { turn_id } = await ask(key, "Build it");
    const working = engine.work();
    await endless.spoken;
    expect(await stop(key)).toEqual({ turn_id, state: "interrupting" });
    await working;
    const log = await engine.log(key);
    expect(log.find((row) => row.kind === "message" && row.role === "assistant")).toMatchObject({
      content: [text("Half of a sen")],
      interrupted: true,
      step: 0,
    });
    expect(log.at(-1)).toMatchObject({ type: "turn.ended", data: { reason: "interrupted", error: null, steps: 1 } });
    expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 1, tokens: 101 });
    expect(await readConversation(engine.deps.table, key)).toMatchObject({ status: "idle", phase: "none" });
    await ask(key, "Something else");
    await engine.work();
    expect(model.requests[1]?.messages).toEqual([
      { role: "user", content: [text("Build it")] },
      { role: "assistant", content: [text("Half of a sen")] },
      { role: "user", content: [text(interruptedNote), text("Something else")] },
    ]);
  });

  test("calls and half thoughts are dropped; an answer of which nothing is left is no message, but is paid", async () => {
    const thought: ContentBlock = { type: "thinking", thinking: "hm", signature: "s" };
    const call: ContentBlock = { type: "tool_use", id: "t1", name: "bash", input: {} };
    const endless = endlessAnswer([thought, call]);
    const model = scriptedModel([endless.answer, () => says("Done.")]);
    engine = await startEngine(model);
    const key = await engine.session();
    await ask(key, "Build it");
    const working = engine.work();
    await endless.spoken;
    await stop(key);
    await working;
    expect(names(await engine.log(key))).toEqual(["user message", "turn.started", "container.starting", "turn.ended"]);
    expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 1 });
    await ask(key, "Something else");
    await engine.work();
    expect(model.requests[1]?.messages).toEqual([
      { role: "user", content: [text("Build it"), text(interruptedNote), text("Something else")] },
    ]);
  });

  test("before the first word nothing was counted, and nothing is billed", async () => {
    const endless = endlessAnswer(null);
    engine = await startEngine(scriptedModel([endless.answer]));
    const key = await engine.session();
    await ask(key, "Build it");
    const working = engine.work();
    await endless.spoken;
    await stop(key);
    await working;
    expect((await engine.log(key)).at(-1)).toMatchObject({ data: { reason: "interrupted", steps: 0 } });
    expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 0 });
  });

  test("an answer that was whole before the worker saw it is kept whole; its calls do not run", async () => {
    let during: () => Promise<unknown> = async () => undefined;
    const model = scriptedModel([
      async function* () {
        await during();
        yield* calls({ id: "t1" }, { id: "t2" });
      },
      () => says("Done."),
    ]);
    engine = await startEngine(model);
    const key = await engine.session();
    await ask(key, "Build it");
    // As a worker whose look comes too late.
    engine.clock.sleep = () => new Promise(() => undefined);
    during = () => stop(key);
    await engine.work();
    const log = await engine.log(key);
    expect(names(log).slice(-4)).toEqual(["assistant message", "tool.completed", "tool.completed", "turn.ended"]);
    expect(log.at(-1)).toMatchObject({ data: { reason: "interrupted" } });
    expect(log.at(-2)).toMatchObject({ data: { call_id: "t2", output: interruptedOutput, is_error: true } });
    await ask(key, "Go on");
    await engine.work();
    expect(model.requests[1]?.messages.at(-1)?.content).toEqual([
      { type: "tool_result", tool_use_id: "t1", content: interruptedOutput, is_error: true },
      { type: "tool_result", tool_use_id: "t2", content: interruptedOutput, is_error: true },
      text(interruptedNote),
      text("Go on"),
    ]);
  });

  test.each([
    ["waits", new ModelFailure("overloaded", "529", { retryAfterMs: 60_000 })],
    ["refuses", new ModelFailure("rejected", "400")],
  ])("a model that %s instead of answering: the turn ends at once, and as it was told", async (_, failure) => {
    let during: () => Promise<unknown> = async () => undefined;
    engine = await startEngine(
      scriptedModel([
        async function* (): AsyncGenerator<ModelEvent> {
          await during();
          yield* [];
          throw failure;
        },
      ]),
    );
    const key = await engine.session();
    const { turn_id } = await ask(key, "Build it");
    engine.clock.sleep = () => new Promise(() => undefined);
    during = () => stop(key);
    await engine.work();
    expect(await endings(key)).toEqual([[turn_id, "interrupted"]]);
    expect(engine.queue.sent.map(({ delaySeconds }) => delaySeconds)).toEqual([5]);
  });

  test("nobody works on the step yet: it never begins", async () => {
    const model = scriptedModel([() => says("Never.")]);
    engine = await startEngine(model);
    const key = await engine.session();
    await ask(key, "Build it");
    await stop(key);
    await engine.work();
    expect(model.requests).toEqual([]);
    expect(names(await engine.log(key))).toEqual(["user message", "turn.started", "turn.ended"]);
  });

  test("with a workspace the checkpoint comes before the turn's end", async () => {
    const endless = endlessAnswer([text("Half")]);
    engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), endless.answer]));
    const key = await engine.session();
    const { turn_id } = await ask(key, "Build it");
    await engine.work();
    const link = await linkUp(key);
    await answerCall(link);
    const working = engine.work();
    await endless.spoken;
    await stop(key);
    await working;
    expect(sentTo(link, "checkpoint.take")).toHaveLength(1);
    expect(await stop(key)).toEqual({ turn_id, state: "ending" });
    await report(link, turn_id);
    expect((await engine.log(key)).at(-1)).toMatchObject({ data: { reason: "interrupted", checkpoint: 1 } });
  });
});

describe("while tools run", () => {
  async function inTools(ids = ["t1", "t2"]) {
    const model = scriptedModel([() => calls(...ids.map((id) => ({ id }))), () => says("Done.")]);
    engine = await startEngine(model);
    const key = await engine.session();
    const { turn_id } = await ask(key, "Build it");
    await engine.work();
    const link = await linkUp(key);
    return { model, key, turn_id, link, run: sentTo(link, "tool.run") };
  }

  test("open calls get their result at once, the sandbox is told, the checkpoint follows", async () => {
    const { model, key, turn_id, link, run } = await inTools();
    const [first, second] = run;
    if (!first || !second) throw new Error("no calls");
    await receiveResult(engine.deps, link, resultOf(first));
    expect(await stop(key)).toEqual({ turn_id, state: "interrupting" });
    // Before any worker is awake.
    expect(sentTo(link, "tool.cancel").map(({ call_id }) => call_id)).toEqual(["t2"]);
    await expect(receiveResult(engine.deps, link, resultOf(second))).rejects.toMatchObject({ code: "conflict" });
    await engine.work();
    expect(sentTo(link, "checkpoint.take")).toHaveLength(1);
    await report(link, turn_id);
    expect((await engine.log(key)).at(-1)).toMatchObject({ data: { reason: "interrupted", checkpoint: 1 } });
    await ask(key, "Go on");
    await engine.work();
    expect(model.requests[1]?.messages.at(-1)?.content).toEqual([
      { type: "tool_result", tool_use_id: "t1", content: "ok", is_error: false },
      { type: "tool_result", tool_use_id: "t2", content: interruptedOutput, is_error: true },
      text(interruptedNote),
      text("Go on"),
    ]);
  });

  test("results that come at the same time: each call has exactly one", async () => {
    const ids = Array.from({ length: 12 }, (_, index) => `t${index}`);
    const { key, link, run } = await inTools(ids);
    const results = run.map((command) => receiveResult(engine.deps, link, resultOf(command)).catch(() => undefined));
    const [answer] = await Promise.all([stop(key), ...results]);
    await engine.work();
    const log = await engine.log(key);
    const answered = log.flatMap((row) => (row.kind === "event" && row.type === "tool.completed" ? [row.data] : []));
    expect(answered.map(({ call_id }) => call_id).toSorted()).toEqual(ids.toSorted());
    expect(log.map((row) => row.seq)).toEqual(log.map((_, index) => index + 1));
    expect(answer).toMatchObject({ state: "interrupting" });
    expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "checkpoint", pending_calls: 0 });
  });

  test("the sandbox is told again by the worker, where who interrupted died before", async () => {
    const { key, link } = await inTools();
    engine.sockets.fate.set(link.connectionId, "gone");
    await stop(key);
    expect(sentTo(link, "tool.cancel")).toEqual([]);
    engine.sockets.fate.clear();
    await engine.work();
    expect(sentTo(link, "tool.cancel").map(({ call_id }) => call_id)).toEqual(["t1", "t2"]);
  });
});

describe("again, at once, too late", () => {
  test("nothing runs: it says so", async () => {
    engine = await startEngine(scriptedModel([() => says("Hello.")]));
    const key = await engine.session();
    expect(await stop(key)).toEqual({ turn_id: null, state: "idle" });
    await ask(key, "Hi");
    await engine.work();
    const { head } = (await readConversation(engine.deps.table, key)) ?? {};
    expect(await stop(key)).toEqual({ turn_id: null, state: "idle" });
    expect(await readConversation(engine.deps.table, key)).toMatchObject({ head, phase: "none" });
  });

  test("a turn that is named, but over, does not take the next one with it", async () => {
    engine = await startEngine(scriptedModel([() => says("Hello.")]));
    const key = await engine.session();
    const first = await ask(key, "One");
    await engine.work();
    await ask(key, "Two");
    expect(await stop(key, null, first.turn_id)).toEqual({ turn_id: first.turn_id, state: "idle" });
    await engine.work();
    expect((await endings(key)).map(([, reason]) => reason)).toEqual(["completed", "completed"]);
  });

  test("the same request again gives the same answer, and never ends a later turn", async () => {
    engine = await startEngine(scriptedModel([() => says("Hello.")]));
    const key = await engine.session();
    const first = await ask(key, "One");
    const answer = await stop(key, "r1");
    expect(await stop(key, "r1")).toEqual(answer);
    await engine.work();
    await ask(key, "Two");
    expect(await stop(key, "r1")).toEqual({ turn_id: first.turn_id, state: "interrupting" });
    await engine.work();
    expect((await endings(key)).map(([, reason]) => reason)).toEqual(["interrupted", "completed"]);
    const idle = await stop(key, "r2");
    await ask(key, "Three");
    expect(await stop(key, "r2")).toEqual(idle);
    await engine.work();
    expect((await endings(key)).map(([, reason]) => reason)).toEqual(["interrupted", "completed", "completed"]);
    await expect(stop(key, "r2", first.turn_id)).rejects.toMatchObject({ code: "idempotency_mismatch" });
  });

  test("twice at once is one end", async () => {
    const endless = endlessAnswer([text("Half")]);
    engine = await startEngine(scriptedModel([endless.answer]));
    const key = await engine.session();
    const { turn_id } = await ask(key, "Build it");
    const working = engine.work();
    await endless.spoken;
    const both = await Promise.all([stop(key, "a"), stop(key, "b")]);
    expect(both).toEqual([
      { turn_id, state: "interrupting" },
      { turn_id, state: "interrupting" },
    ]);
    await working;
    expect(await endings(key)).toEqual([[turn_id, "interrupted"]]);
    expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 1 });
  });

  test("a turn that ends meanwhile ends once; the prompt behind it is not touched", async () => {
    engine = await startEngine(scriptedModel([() => says("One."), () => says("Two.")]));
    const key = await engine.session();
    const first = await ask(key, "One");
    const second = await ask(key, "Two");
    const [answer] = await Promise.all([stop(key), engine.work()]);
    await engine.work();
    const ended = await endings(key);
    expect(ended.map(([turn]) => turn)).toEqual([first.turn_id, second.turn_id]);
    expect(ended[1]?.[1]).toBe("completed");
    expect(ended[0]?.[1]).toBe(answer.state === "interrupting" ? "interrupted" : "completed");
  });

  test("a deleted session is not there", async () => {
    engine = await startEngine(scriptedModel([() => says("Hello.")]));
    const key = await engine.session();
    const { tenant_id, session_id } = key;
    await rows(engine.deps.table).entities.session.delete({ tenant_id, session_id }).go();
    await expect(stop(key)).rejects.toMatchObject({ code: "not_found" });
    await expect(ask(key, "Hi")).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("by a prompt", () => {
  test("it goes first, and the rest of the queue stays behind it in its order", async () => {
    const endless = endlessAnswer([text("Half")]);
    const model = scriptedModel([endless.answer, () => says("Urgent."), () => says("Two."), () => says("Three.")]);
    engine = await startEngine(model);
    const key = await engine.session();
    const first = await ask(key, "One");
    const working = engine.work();
    await endless.spoken;
    const two = await ask(key, "Two");
    const three = await ask(key, "Three");
    const urgent = await urgently(key, "Urgent", "r1");
    expect(urgent.queued).toBe(true);
    expect((await readQueue(engine.deps, key)).map(({ turn_id }) => turn_id)).toEqual([
      urgent.turn_id,
      two.turn_id,
      three.turn_id,
    ]);
    expect(await urgently(key, "Urgent", "r1")).toEqual(urgent);
    await working;
    await engine.work();
    expect(await endings(key)).toEqual([
      [first.turn_id, "interrupted"],
      [urgent.turn_id, "completed"],
      [two.turn_id, "completed"],
      [three.turn_id, "completed"],
    ]);
    expect(model.requests[1]?.messages.at(-1)?.content).toEqual([text(interruptedNote), text("Urgent")]);
  });

  test("while tools run it is one transaction with their results", async () => {
    const model = scriptedModel([() => calls({ id: "t1" }), () => says("Urgent.")]);
    engine = await startEngine(model);
    const key = await engine.session();
    const { turn_id } = await ask(key, "One");
    await engine.work();
    const link = await linkUp(key);
    await urgently(key, "Urgent");
    expect(sentTo(link, "tool.cancel")).toHaveLength(1);
    await engine.work();
    await report(link, turn_id);
    await engine.work();
    expect(model.requests[1]?.messages.at(-1)?.content).toEqual([
      { type: "tool_result", tool_use_id: "t1", content: interruptedOutput, is_error: true },
      text(interruptedNote),
      text("Urgent"),
    ]);
  });

  test("where nothing runs it just begins; a full queue still takes one", async () => {
    engine = await startEngine(scriptedModel([() => calls({ id: "t1" })]));
    const key = await engine.session();
    expect(await urgently(key, "One")).toMatchObject({ queued: false });
    await engine.work();
    for (let index = 0; index < 10; index += 1) await ask(key, `p${index}`);
    await expect(ask(key, "too many")).rejects.toMatchObject({ code: "queue_full" });
    await urgently(key, "Urgent");
    await expect(urgently(key, "Urgent too")).rejects.toMatchObject({ code: "queue_full" });
    expect(await readQueue(engine.deps, key)).toHaveLength(11);
  });

  test("a steering prompt after an interrupt waits for a turn of its own", async () => {
    engine = await startEngine(scriptedModel([() => says("Done.")]));
    const key = await engine.session();
    await ask(key, "One");
    await stop(key);
    const steered = await submitPrompt(engine.deps, key, {
      user_id: key.user_id,
      request_id: null,
      content: "And blue",
      delivery: "steer",
    });
    expect(steered).toMatchObject({ queued: true });
    await engine.work();
    expect((await endings(key)).map(([, reason]) => reason)).toEqual(["interrupted", "completed"]);
  });
});
