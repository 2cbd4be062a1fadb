import { rows } from "../../../shared/data/service.ts";
import { listCheckpoints } from "../../../shared/domain/checkpoint/checkpoint.ts";
import { latestContainer } from "../../../shared/domain/container/container.ts";
import { greet, markReady, requireLive, type Link } from "../../../shared/domain/container/link.ts";
import { recordCheckpoint, recordPush } from "../../../shared/domain/checkpoint/report.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import type { SessionKey, TimelineRow } from "../../../shared/domain/timeline/row.ts";
import { objectKey } from "../../../shared/domain/timeline/timeline.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { submitPrompt } from "../../../shared/domain/turn/turn.ts";
import { sessionUsage } from "../../../shared/domain/usage/usage.ts";
import { ModelFailure, type ModelEvent } from "../../../shared/ports/model.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { calls, says, startEngine, usage, type Engine } from "../../support/engine.ts";

let engine: Engine;
afterEach(() => engine.stop());

const names = (log: TimelineRow[]) =>
  log.map((row) => (row.kind === "message" ? `${row.role} message` : row.kind === "event" ? row.type : "checkpoint"));

const ask = (key: SessionKey & { user_id: string }, content: string, request_id: string | null = null) =>
  submitPrompt(engine.deps, key, { user_id: key.user_id, request_id, content, delivery: "queue" });

/** The container that the turn launched comes up and links. */
async function linkUp(key: SessionKey): Promise<Link> {
  const container = await latestContainer(engine.deps.table, key);
  if (!container) throw new Error("no container was launched");
  const link = {
    key: { tenant_id: key.tenant_id, session_id: key.session_id },
    epoch: container.epoch,
    connectionId: `link-${container.epoch}`,
  };
  await greet(engine.deps, link, { frame_id: "f1", private_ip: "127.0.0.9" });
  await markReady(engine.deps, link, { restored_commit: null, base_commit: null });
  return link;
}

interface RunCommand {
  type: string;
  call_id: string;
  nonce: string;
}

const sentTo = (link: Link, type: string) =>
  ((engine.sockets.posted.get(link.connectionId) ?? []) as RunCommand[]).filter((command) => command.type === type);

const resultOf = ({ call_id, nonce }: RunCommand, output = "ok") => ({
  call_id,
  nonce,
  is_error: false,
  output,
  output_bytes: Buffer.byteLength(output),
  object_key: null,
  duration_ms: 5,
});

async function report(link: Link, turn_id: string, commit = "a".repeat(40), status: "pushed" | "pending" = "pushed") {
  const pack_key = objectKey(link.key, "packs", commit);
  const manifest_key = objectKey(link.key, "manifests", commit);
  await engine.objects.put(pack_key, "pack", "x");
  await engine.objects.put(manifest_key, "{}", "x");
  await recordCheckpoint(engine.deps, link, {
    turn_id,
    error: null,
    push: { status, branch: "work", error: null },
    checkpoint: {
      commit,
      parent_commit: null,
      tree: "b".repeat(40),
      message: "m",
      stat: { files: 1, insertions: 1, deletions: 0 },
      pack_key,
      pack_bytes: 4,
      pack_is_complete: true,
      manifest_key,
    },
  });
}

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
  expect(await sessionUsage(engine.deps.table, key)).toMatchObject({
    model_calls: 1,
    input_tokens: 100,
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
  expect(await sessionUsage(engine.deps.table, key)).toMatchObject({ model_calls: 1 });
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
  const [call] = sentTo(link, "tool.run");
  if (!call) throw new Error("no call");
  await receiveResult(engine.deps, link, resultOf(call));
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
  const [call] = sentTo(link, "tool.run");
  if (!call) throw new Error("no call");
  await receiveResult(engine.deps, link, resultOf(call));
  await engine.work();
  expect(model.requests[1]?.messages.at(-1)?.content).toEqual([
    { type: "tool_result", tool_use_id: "t1", content: "ok", is_error: false },
    { type: "text", text: "And blue" },
  ]);
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
  expect(engine.queue.sent).toEqual([expect.objectContaining({ delaySeconds: 7 })]);
  expect((await engine.log(key)).some((row) => row.kind === "message" && row.role === "assistant")).toBe(false);
  expect(await sessionUsage(engine.deps.table, key)).toMatchObject({ model_calls: 0 });
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
  expect(await sweep(engine.deps)).toBe(0);
});

test("a checkpoint that never comes does not keep the turn", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), () => says("Done.")]));
  const key = await engine.session();
  const { turn_id } = await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  const [call] = sentTo(link, "tool.run");
  if (!call) throw new Error("no call");
  await receiveResult(engine.deps, link, resultOf(call));
  await engine.work();
  engine.clock.advance(11_000);
  await engine.work({ delayed: true });
  expect((await engine.log(key)).at(-1)).toMatchObject({
    data: { reason: "completed", checkpoint: null, checkpoint_pending: true },
  });
  await report(link, turn_id);
  expect(names(await engine.log(key)).at(-1)).toBe("checkpoint");
  await report(link, turn_id);
  expect(names(await engine.log(key)).filter((name) => name === "checkpoint")).toHaveLength(1);
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
  const month = await rows(engine.deps.table)
    .entities.usageCounter.query.byScope({ tenant_id, scope: "month#2026-11" })
    .go();
  const sum = (list: { input_tokens?: number }[]) => list.reduce((total, row) => total + (row.input_tokens ?? 0), 0);
  expect(ledger.data).toHaveLength(3);
  expect(sum(month.data)).toBe(sum(ledger.data));
  expect((await sessionUsage(engine.deps.table, key)).input_tokens).toBe(sum(ledger.data));
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
  const [call] = sentTo(link, "tool.run");
  if (!call) throw new Error("no call");
  await receiveResult(engine.deps, link, resultOf(call));
  await engine.work();
  expect(sentTo({ ...link, connectionId: "link-again" }, "tool.run").map(({ call_id }) => call_id)).toEqual(["t2"]);
});

test("a push that went through late is marked, whichever checkpoint it was", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), () => says("Done.")]));
  const key = await engine.session();
  const { turn_id } = await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  const [call] = sentTo(link, "tool.run");
  if (!call) throw new Error("no call");
  await receiveResult(engine.deps, link, resultOf(call));
  await engine.work();
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
