import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { openApprovals } from "../../../shared/domain/approval/open-approvals.ts";
import { resolveApproval, type ApprovalRequest } from "../../../shared/domain/approval/resolve.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { transition } from "../../../shared/domain/conversation/conversation.ts";
import { markStopping } from "../../../shared/domain/container/link.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { limitsOf } from "../../../shared/config/plans.ts";
import { ApprovalPolicy } from "../../../shared/protocol/approval.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { names, resultOf, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask, linkUp, sentTo } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;

const day = 24 * 3600_000;

/** A session whose policy is this. */
async function sessionWith(policy: unknown): Promise<Key> {
  const key = await engine.session();
  const approvals = JSON.stringify(ApprovalPolicy.parse(policy));
  await transition(engine.deps, key, () => ({ rows: [], change: { approvals }, result: null }));
  return key;
}

const state = async (key: SessionKey) => {
  const conversation = await readConversation(engine.deps.table, key);
  if (!conversation) throw new Error("no conversation");
  return conversation;
};
const events = async (key: SessionKey, type: string) =>
  (await engine.log(key)).filter((row) => row.kind === "event" && row.type === type);
const open = (key: SessionKey) => openApprovals(engine.deps, key);

const decide = (key: Key, approval_id: string | undefined, more: Partial<ApprovalRequest> = {}) =>
  resolveApproval(engine.deps, key, {
    user_id: key.user_id,
    request_id: null,
    approval_id: approval_id ?? "",
    decision: "approve",
    ...more,
  });

/** Delivers the results of what the sandbox was sent, and works on. */
async function finishCalls(key: SessionKey, connectionId?: string): Promise<number> {
  const link = await linkUp(key, connectionId);
  const sent = sentTo(link, "tool.run");
  for (const call of sent) await receiveResult(engine.deps, link, resultOf(call));
  await engine.work();
  return sent.length;
}

test("an approved call runs once, and the turn goes on", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1", input: { command: "ls" } }), () => says("Done.")]));
  const key = await sessionWith({ default: "ask" });
  await ask(key, "Build it");
  await engine.work();
  expect(await state(key)).toMatchObject({ status: "waiting", phase: "tools", pending_calls: 1, person_calls: 1 });
  expect(await events(key, "tool.started")).toEqual([]);
  const [asked] = await open(key);
  expect(asked).toMatchObject({
    call_id: "t1",
    name: "bash",
    kind: "tool",
    input: { command: "ls" },
    on_deadline: "deny",
  });
  expect(await decide(key, asked?.approval_id)).toEqual({
    approval_id: asked?.approval_id,
    call_id: "t1",
    decision: "approved",
  });
  expect(await state(key)).toMatchObject({ status: "tools", pending_calls: 1, person_calls: 0 });
  await engine.work();
  expect(await finishCalls(key)).toBe(1);
  expect(names(await engine.log(key)).filter((name) => /tool|approval/.test(name))).toEqual([
    "approval.requested",
    "approval.resolved",
    "tool.started",
    "tool.completed",
  ]);
  expect(await state(key)).toMatchObject({ phase: "checkpoint" });
  expect(await open(key)).toEqual([]);
});

test("after days the container is gone: the call is placed in a new one, and runs once", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), () => says("Done.")]));
  const key = await sessionWith({ default: "ask" });
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  await markStopping(engine.deps, link, "idle");
  await engine.work({ delayed: true });
  engine.clock.advance(5 * day);
  await decide(key, (await open(key))[0]?.approval_id);
  await engine.work();
  expect(engine.sandbox.launched.map(({ epoch }) => epoch)).toEqual([1, 2]);
  expect(await finishCalls(key, "second")).toBe(1);
  expect(await events(key, "tool.completed")).toMatchObject([{ data: { call_id: "t1", output: "ok" } }]);
});

test("where the plan allows no container any more, the turn ends with that", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), () => says("Done.")]));
  const key = await sessionWith({ default: "ask" });
  await ask(key, "Build it");
  await engine.work();
  await markStopping(engine.deps, await linkUp(key), "idle");
  await engine.work();
  const limits = { ...limitsOf("unlimited"), runningContainers: 0 };
  engine.deps.plans = { ...engine.deps.plans, limitsOf: () => limits };
  await decide(key, (await open(key))[0]?.approval_id);
  await engine.work();
  expect(await events(key, "turn.ended")).toMatchObject([
    { data: { reason: "error", error: { code: "quota_exceeded" } } },
  ]);
  expect(await events(key, "tool.completed")).toMatchObject([{ data: { is_error: true } }]);
});

test("a denial is the call's result, with the note", async () => {
  const model = scriptedModel([() => calls({ id: "t1" }), () => says("Then not.")]);
  engine = await startEngine(model);
  const key = await sessionWith({ default: "ask" });
  await ask(key, "Build it");
  await engine.work();
  await decide(key, (await open(key))[0]?.approval_id, { decision: "deny", note: " Use pnpm. " });
  await engine.work();
  expect(JSON.stringify(model.requests[1])).toContain("The user denied this call. Their note: Use pnpm.");
  expect(await events(key, "approval.resolved")).toMatchObject([
    { data: { decision: "denied", by: key.user_id, note: "Use pnpm." } },
  ]);
  expect(await events(key, "tool.started")).toEqual([]);
});

test("a question's answer is its result", async () => {
  const input = { question: "Which colour?", options: ["red", "blue"] };
  const model = scriptedModel([() => calls({ id: "t1", name: "ask_user", input }), () => says("Red it is.")]);
  engine = await startEngine(model);
  const key = await sessionWith({ default: "deny" });
  await ask(key, "Build it");
  await engine.work();
  const [asked] = await open(key);
  expect(asked).toMatchObject({ kind: "question", question: "Which colour?", options: ["red", "blue"] });
  await expect(decide(key, asked?.approval_id)).rejects.toMatchObject({ code: "validation_failed" });
  expect(await decide(key, asked?.approval_id, { decision: "answer", answer: "red" })).toMatchObject({
    decision: "answered",
  });
  await engine.work();
  expect(await events(key, "tool.completed")).toMatchObject([{ data: { is_error: false, output: "red" } }]);
  expect(model.requests).toHaveLength(2);
});

test("calls of one step go where each belongs", async () => {
  const policy = {
    rules: [
      { tool: "bash", pattern: "git push*", policy: "ask" },
      { tool: "bash", pattern: "rm *", policy: "deny" },
    ],
  };
  const asked = calls(
    { id: "free", input: { command: "ls" } },
    { id: "asks", input: { command: "git push -f" } },
    { id: "denied", input: { command: "rm -rf /" } },
    { id: "question", name: "ask_user", input: { question: "Sure?" } },
    { id: "mute", name: "ask_user", input: {} },
  );
  engine = await startEngine(scriptedModel([() => asked, () => says("Done.")]));
  const key = await sessionWith(policy);
  await ask(key, "Build it");
  await engine.work();
  expect(await state(key)).toMatchObject({ status: "tools", pending_calls: 3, person_calls: 2 });
  const link = await linkUp(key);
  const [sent, ...others] = sentTo(link, "tool.run");
  expect(others).toEqual([]);
  if (!sent) throw new Error("nothing was sent");
  await receiveResult(engine.deps, link, resultOf(sent));
  const parked = await state(key);
  expect(parked).toMatchObject({ status: "waiting", pending_calls: 2, person_calls: 2 });
  expect(parked.due_at).toBe(parked.person_due_at);
  const [approval, question] = await open(key);
  await decide(key, question?.approval_id, { decision: "answer", answer: "Yes" });
  expect(await state(key)).toMatchObject({ status: "waiting", pending_calls: 1, person_calls: 1 });
  await decide(key, approval?.approval_id);
  await engine.work();
  const runs = sentTo(link, "tool.run");
  expect(runs.map(({ call_id }) => call_id)).toEqual(["free", "asks"]);
  const results = await events(key, "tool.completed");
  expect(results.map((row) => row.kind === "event" && row.data)).toMatchObject([
    { call_id: "denied", output: "Not run: the policy of this session denies this call." },
    { call_id: "mute", is_error: true, output: expect.stringContaining("Not asked: question") },
    { call_id: "free" },
    { call_id: "question", output: "Yes" },
  ]);
});

test("parked for six days: no wake-up and no write, until the answer", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), () => says("Done.")]));
  const key = await sessionWith({ default: "ask" });
  await ask(key, "Build it");
  await engine.work({ delayed: true });
  expect(engine.queue.sent).toEqual([]);
  const before = await state(key);
  const { client } = engine.deps.table;
  const writes: string[] = [];
  const send = client.send.bind(client) as (command: object) => Promise<unknown>;
  client.send = ((command: object) => {
    if (!/^(Query|Get|BatchGet|TransactGet)Command$/.test(command.constructor.name))
      writes.push(command.constructor.name);
    return send(command);
  }) as typeof client.send;
  for (let quarter = 0; quarter < 6 * 4; quarter += 1) {
    engine.clock.advance(day / 4);
    await sweep(engine.deps);
  }
  expect([engine.queue.sent, writes]).toEqual([[], []]);
  expect(await state(key)).toEqual(before);
  await decide(key, (await open(key))[0]?.approval_id);
  await engine.work();
  expect(await finishCalls(key)).toBe(1);
});

describe("the deadline", () => {
  async function expired(policy: unknown): Promise<Key> {
    engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), () => says("Done.")]));
    const key = await sessionWith(policy);
    await ask(key, "Build it");
    await engine.work();
    const [asked] = await open(key);
    engine.clock.advance(7 * day);
    await expect(decide(key, asked?.approval_id)).rejects.toMatchObject({ code: "not_found" });
    await sweep(engine.deps);
    await engine.work();
    return key;
  }

  test("denies, where nothing else is said", async () => {
    const key = await expired({ default: "ask" });
    expect(await events(key, "approval.resolved")).toMatchObject([{ data: { decision: "expired", by: null } }]);
    expect(await events(key, "tool.completed")).toMatchObject([
      { data: { is_error: true, output: "Not run: nobody decided in time." } },
    ]);
  });

  test("lets it run, where that was said", async () => {
    const key = await expired({ default: "ask", on_deadline: "allow" });
    expect(await finishCalls(key)).toBe(1);
    expect(await events(key, "approval.resolved")).toMatchObject([{ data: { decision: "expired" } }]);
    expect(await events(key, "tool.completed")).toMatchObject([{ data: { output: "ok" } }]);
  });
});

test("an interrupt cancels what is open: it can not be answered any more", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }, { id: "t2" }), () => says("Next.")]));
  const key = await sessionWith({ default: "ask" });
  await ask(key, "Build it");
  await engine.work();
  const [one, two] = await open(key);
  await decide(key, one?.approval_id);
  await interrupt(engine.deps, key, { user_id: key.user_id, request_id: null });
  await engine.work();
  const resolved = await events(key, "approval.resolved");
  expect(resolved.map((row) => row.kind === "event" && row.data)).toMatchObject([
    { approval_id: one?.approval_id, decision: "approved" },
    { approval_id: two?.approval_id, decision: "cancelled", by: null },
  ]);
  await expect(decide(key, two?.approval_id)).rejects.toMatchObject({ code: "not_found" });
  expect(await events(key, "tool.completed")).toHaveLength(2);
});

test("what was decided for the session is not asked again", async () => {
  const push = (id: string) => () => calls({ id, input: { command: "git push" } });
  const both = () => calls({ id: "t2", input: { command: "git push" } }, { id: "t3", input: { command: "rm a" } });
  engine = await startEngine(scriptedModel([push("t1"), both, () => says("Done.")]));
  const rules = [
    { tool: "bash", pattern: "git *", policy: "ask" },
    { tool: "bash", pattern: "rm *", policy: "ask" },
  ];
  const key = await sessionWith({ rules });
  await ask(key, "Build it");
  await engine.work();
  await decide(key, (await open(key))[0]?.approval_id, { remember: "session" });
  await engine.work();
  await finishCalls(key);
  expect((await open(key)).map(({ call_id }) => call_id)).toEqual(["t3"]);
  expect(await state(key)).toMatchObject({ status: "tools", pending_calls: 2, person_calls: 1 });
});
