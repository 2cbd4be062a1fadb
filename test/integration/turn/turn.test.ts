import { rows } from "../../../shared/data/service.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { submitPrompt } from "../../../shared/domain/turn/prompt.ts";
import { spentOfSession, spentThisMonth } from "../../../shared/domain/usage/usage.ts";
import { type ModelEvent } from "../../../shared/ports/model.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { calls, says, startEngine, usage, type Engine } from "../../support/engine.ts";
import { names, resultOf, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask, linkUp, sentTo, report, answerCall } = turnDriver(() => engine);

test("a plain question is one step: answered, metered, ended, without waiting for a container", async () => {
  engine = await startEngine(scriptedModel([() => says("Hello.")]));
  const key = await engine.session();
  await ask(key, "Say hello");
  await engine.work();
  expect(names(await engine.log(key))).toEqual([
    "user message",
    "turn.started",
    "container.starting",
    "assistant message",
    "turn.ended",
  ]);
  const log = await engine.log(key);
  expect(log.map((row) => row.seq)).toEqual([1, 2, 3, 4, 5]);
  expect(await spentOfSession(engine.deps.table, key)).toMatchObject({
    model_calls: 1,
    tokens: 120,
    cost_micro_usd: 400,
  });
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ status: "idle", phase: "none", head: 5 });
});

test("tool calls run in the sandbox once it is ready; the last result wakes the model; the checkpoint ends the turn", async () => {
  const model = scriptedModel([() => calls({ id: "t1" }, { id: "t2" }), () => says("Done.")]);
  engine = await startEngine(model);
  const key = await engine.session();
  const { turn_id } = await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  const [first, second] = sentTo(link, "tool.run");
  if (!first || !second) throw new Error("the calls were not handed out");
  await receiveResult(engine.deps, link, resultOf(second, "two"));
  await receiveResult(engine.deps, link, resultOf(first, "one"));
  await engine.work();
  expect(model.requests[1]?.messages.at(-1)).toEqual({
    role: "user",
    content: [
      { type: "tool_result", tool_use_id: "t1", content: "one", is_error: false },
      { type: "tool_result", tool_use_id: "t2", content: "two", is_error: false },
    ],
  });
  expect(sentTo(link, "checkpoint.take")).toHaveLength(1);
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "checkpoint" });
  await report(link, turn_id);
  const log = await engine.log(key);
  expect(names(log).slice(-3)).toEqual(["assistant message", "checkpoint", "turn.ended"]);
  expect(log.at(-1)).toMatchObject({
    data: { reason: "completed", checkpoint: 1, checkpoint_pending: false, steps: 2 },
  });
  expect(log.map((row) => row.seq)).toEqual(log.map((_, index) => index + 1));
});

test("the same request twice is one message and one answer", async () => {
  engine = await startEngine(scriptedModel([() => says("Hello.")]));
  const key = await engine.session();
  const [first, second] = await Promise.all([ask(key, "Hi", "r1"), ask(key, "Hi", "r1")]);
  expect(second).toEqual(first);
  expect(await ask(key, "Hi", "r1")).toEqual(first);
  await expect(ask(key, "Another", "r1")).rejects.toMatchObject({ code: "idempotency_mismatch" });
  await engine.work();
  expect((await engine.log(key)).filter((row) => row.kind === "message" && row.role === "user")).toHaveLength(1);
});

test("a prompt in the middle of a turn waits, and starts when the turn ends", async () => {
  const model = scriptedModel([() => calls({ id: "t1" }), () => says("First."), () => says("Second.")]);
  engine = await startEngine(model);
  const key = await engine.session();
  const first = await ask(key, "One");
  await engine.work();
  const second = await ask(key, "Two");
  expect(second.queued).toBe(true);
  const link = await linkUp(key);
  await answerCall(link);
  await engine.work();
  expect(JSON.stringify(model.requests[1])).not.toContain("Two");
  await report(link, first.turn_id);
  await engine.work();
  expect(model.requests[2]?.messages.at(-1)).toEqual({ role: "user", content: [{ type: "text", text: "Two" }] });
  const started = (await engine.log(key)).filter((row) => row.kind === "event" && row.type === "turn.started");
  expect(started.map((row) => row.turn_id)).toEqual([first.turn_id, second.turn_id]);
});

test("a steering prompt joins the running turn before it ends", async () => {
  const model = scriptedModel([() => calls({ id: "t1" }), () => says("Both.")]);
  engine = await startEngine(model);
  const key = await engine.session();
  const { turn_id } = await ask(key, "One");
  await engine.work();
  const steered = await submitPrompt(engine.deps, key, {
    user_id: key.user_id,
    request_id: null,
    content: "And blue",
    delivery: "steer",
  });
  expect(steered).toMatchObject({ turn_id, queued: false });
  const link = await linkUp(key);
  await answerCall(link);
  await engine.work();
  expect(model.requests[1]?.messages.at(-1)?.content).toEqual([
    { type: "tool_result", tool_use_id: "t1", content: "ok", is_error: false },
    { type: "text", text: "And blue" },
  ]);
});

test("the ledger, the session's sum and the month's sum agree", async () => {
  engine = await startEngine(scriptedModel([() => says("One.")]));
  const key = await engine.session();
  for (const prompt of ["a", "b", "c"]) {
    await ask(key, prompt);
    await engine.work();
  }
  const { tenant_id, session_id } = key;
  const ledger = await rows(engine.deps.table).entities.tokenUsage.query.bySession({ tenant_id, session_id }).go();
  const tokens = ledger.data.reduce((total, row) => total + row.input_tokens + row.output_tokens, 0);
  expect(ledger.data).toHaveLength(3);
  expect((await spentThisMonth(engine.deps.table, { tenant_id }, engine.clock.now())).tokens).toBe(tokens);
  expect((await spentOfSession(engine.deps.table, key)).tokens).toBe(tokens);
});

test("more calls than a step may hold: the rest get a result, and the step is committed", async () => {
  const ids = Array.from({ length: 90 }, (_, index) => ({ id: `t${index}` }));
  const model = scriptedModel([() => calls(...ids), () => says("Done.")]);
  engine = await startEngine(model);
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "tools", pending_calls: 32 });
  const link = await linkUp(key);
  for (const command of sentTo(link, "tool.run")) await receiveResult(engine.deps, link, resultOf(command));
  await engine.work();
  expect(model.requests[1]?.messages.at(-1)?.content).toHaveLength(90);
});

test("a repeated prompt has its answer, also while the queue is full", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" })]));
  const key = await engine.session();
  const first = await ask(key, "One", "r1");
  for (let index = 0; index < 10; index += 1) await ask(key, `p${index}`);
  expect(await ask(key, "One", "r1")).toEqual(first);
  await expect(ask(key, "Another", "r2")).rejects.toMatchObject({ code: "queue_full" });
});

test("an answer without calls that wants to go on is followed by another step", async () => {
  const paused: ModelEvent = {
    type: "completed",
    content: [{ type: "text", text: "Wait" }],
    stopReason: "pause_turn",
    usage,
    requestId: null,
  };
  const model = scriptedModel([() => [paused], () => [paused], () => says("Done.")]);
  engine = await startEngine(model);
  const key = await engine.session();
  await ask(key, "Hello");
  await engine.work();
  expect((await engine.log(key)).at(-1)).toMatchObject({ data: { reason: "completed", steps: 3 } });
  expect(model.requests[2]?.messages.slice(0, 3)).toEqual(model.requests[1]?.messages);
});

test("a call with a large input is on the timeline as a pointer, and reaches the sandbox whole", async () => {
  const content = "x".repeat(150_000);
  engine = await startEngine(
    scriptedModel([() => calls({ id: "t1", name: "write", input: { file_path: "a", content } }), () => says("Done.")]),
  );
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const started = (await engine.log(key)).find((row) => row.kind === "event" && row.type === "tool.started");
  expect(started).toMatchObject({ data: { input: {}, truncated: true } });
  const link = await linkUp(key);
  const [command] = sentTo(link, "tool.run") as unknown as { input: null; input_url: string }[];
  expect(command?.input).toBeNull();
  const stored = engine.objects.stored.get(String(command?.input_url).replace("https://objects.test/", ""));
  expect(JSON.parse(Buffer.from(stored ?? []).toString("utf8"))).toEqual({ file_path: "a", content });
});
