import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { findSessionRow } from "../../../shared/domain/session/session-row.ts";
import { deleteSession } from "../../../shared/domain/session/remove.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { spentOfSession } from "../../../shared/domain/usage/usage.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { rows } from "../../../shared/data/service.ts";
import { lookAtSession } from "../../../shared/agent/look.ts";
import { agentTools } from "../../../shared/agent/tools.ts";
import { platformTools } from "../../../shared/agent/platform-tools.ts";
import { plans } from "../../../shared/config/plans.ts";
import { maxInlineToolOutputBytes } from "../../../shared/protocol/limits.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import {
  childrenOf,
  completedIn,
  delegates,
  endingsIn,
  modelBySession,
  sessionsOfTenant,
} from "../../support/delegation.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { countedTable } from "../../support/paused-table.ts";
import { resultOf, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask, linkUp, report, sentTo } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;
type Scripts = Parameters<typeof modelBySession>[0];

async function start(scripts: Scripts) {
  const model = modelBySession(scripts);
  engine = await startEngine(model);
  engine.deps.tools = [...agentTools, ...platformTools];
  return { key: await engine.session(), asked: model.asked };
}

const table = () => engine.deps.table;
const conversationOf = (key: { tenant_id: string; session_id: string }) => readConversation(table(), key);
const results = async (key: Key) => completedIn(await engine.log(key));
const endings = async (key: Key) => endingsIn(await engine.log(key));

test("a child works in a session of its own, and its last words are the call's result", async () => {
  const { key, asked } = await start({
    "child task": [() => calls({ id: "c1" }), () => says("The answer is 42.")],
    "Ask around": [() => delegates("child task"), () => says("Done: 42.")],
  });
  const { turn_id } = await ask(key, "Ask around");
  await engine.work();
  const [child] = await childrenOf(table(), key);
  if (!child) throw new Error("no child");
  expect(await findSessionRow(table(), child)).toMatchObject({
    title: "child task",
    branch: expect.stringMatching(/^child-task-/),
    parent: key.session_id,
    created_by: key.user_id,
  });
  expect(await conversationOf(child)).toMatchObject({
    depth: 1,
    turn_user_id: key.user_id,
    reports_to: { session_id: key.session_id, turn_id, step: 0, call_id: "d0" },
  });
  const link = await linkUp(child);
  const [command] = sentTo(link, "tool.run");
  if (!command) throw new Error("no call");
  await receiveResult(engine.deps, link, resultOf(command));
  await engine.work();
  await report(link, (await conversationOf(child))?.turn_id ?? "");
  await engine.work();
  const [result] = await results(key);
  expect(result).toMatchObject({ call_id: "d0", name: "delegate", is_error: false, truncated: false });
  expect(result?.output).toBe(
    `The answer is 42.\n\n[Sub-session ${child.session_id}: completed after 2 steps, 240 tokens, $0.0008]`,
  );
  expect(await endings(key)).toMatchObject([{ reason: "completed", steps: 2 }]);
  expect(JSON.stringify(asked["Ask around"]?.[1]?.messages.at(-1))).toContain("The answer is 42.");
  expect(JSON.stringify(asked["child task"]?.[0]?.messages[0])).toContain("delegated to you");
});

test("clients learn whose session works on the call, and the parent's container is not asked", async () => {
  const { key } = await start({
    "child task": [() => says("Yes.")],
    Go: [() => delegates("child task"), () => says("Done.")],
  });
  await ask(key, "Go");
  await engine.work();
  const [child] = await childrenOf(table(), key);
  const started = (await engine.log(key)).filter((row) => row.kind === "event" && row.type === "tool.started");
  expect(started).toMatchObject([
    { data: { name: "delegate", input: { prompt: "child task" }, child_session_id: child?.session_id } },
  ]);
  expect(await results(key)).toMatchObject([{ is_error: false }]);
  expect(endingsIn(await engine.log(key))).toHaveLength(1);
});

test("each session has its own ledger; what the child spent counts for the turn and the session of its parent", async () => {
  const { key } = await start({
    "child task": [() => says("Yes.")],
    Go: [() => delegates("child task"), () => says("Done.")],
  });
  await ask(key, "Go");
  await engine.work();
  const [child] = await childrenOf(table(), key);
  if (!child) throw new Error("no child");
  expect(await spentOfSession(table(), key)).toMatchObject({ model_calls: 2, tokens: 240 });
  expect(await spentOfSession(table(), child)).toMatchObject({ model_calls: 1, tokens: 120 });
  expect(await conversationOf(key)).toMatchObject({ children_tokens: 120, children_cost_micro_usd: 400 });
});

test("four children of one step work at the same time; a fifth is refused in the same commit", async () => {
  const { key } = await start({
    "task ": [() => says("Yes.")],
    Go: [() => delegates("task a", "task b", "task c", "task d", "task e"), () => says("Done.")],
  });
  await ask(key, "Go");
  await engine.work();
  const all = await results(key);
  expect(await childrenOf(table(), key)).toHaveLength(4);
  expect(all.filter(({ is_error }) => !is_error)).toHaveLength(4);
  expect(all.find(({ is_error }) => is_error)).toMatchObject({
    call_id: "d4",
    output: expect.stringContaining("at most 4"),
  });
  expect(await endings(key)).toMatchObject([{ reason: "completed" }]);
});

test("a grandchild works, and may not delegate: it is not offered, and refused where it is called", async () => {
  const { key, asked } = await start({
    "grand task": [() => delegates("too deep"), () => says("From below.")],
    "child task": [() => delegates("grand task"), () => says("From the middle.")],
    Go: [() => delegates("child task"), () => says("Done.")],
  });
  await ask(key, "Go");
  await engine.work();
  const toolsOf = (name: string) =>
    asked[name]?.map(({ tools }) => tools.map((tool) => tool.name).includes("delegate"));
  expect(toolsOf("Go")).toEqual([true, true]);
  expect(toolsOf("child task")).toEqual([true, true]);
  expect(toolsOf("grand task")).toEqual([false, false]);
  const [child] = await childrenOf(table(), key);
  const [grandchild] = child ? await childrenOf(table(), child) : [];
  if (!child || !grandchild) throw new Error("no grandchild");
  expect(completedIn(await engine.log(grandchild))).toMatchObject([
    { is_error: true, output: expect.stringContaining("at most 2 levels deep") },
  ]);
  expect(await results(key)).toMatchObject([{ output: expect.stringContaining("From the middle.") }]);
  expect(await sessionsOfTenant(table(), key.tenant_id)).toHaveLength(3);
  expect(await conversationOf(child)).toMatchObject({ children_tokens: 240 });
  expect(await conversationOf(key)).toMatchObject({ children_tokens: 480 });
});

test("a call that says nothing to do is refused, and the model goes on", async () => {
  const { key } = await start({
    Go: [() => calls({ id: "d0", name: "delegate", input: { prompt: "  " } }), () => says("Then not.")],
  });
  await ask(key, "Go");
  await engine.work();
  expect(await results(key)).toMatchObject([{ is_error: true, output: expect.stringContaining("Not run: prompt") }]);
  expect(await endings(key)).toMatchObject([{ reason: "completed" }]);
});

test("the parent costs a look a minute while the child works, and finds its end without a hint", async () => {
  let open: () => void = () => undefined;
  let begin: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const slowly = async function* () {
    begin();
    await gate;
    yield* says("Late.");
  };
  const { key } = await start({ "child task": [slowly], Go: [() => delegates("child task"), () => says("Done.")] });
  await ask(key, "Go");
  const working = engine.work();
  await Promise.race([begun, working]);
  engine.queue.sent.length = 0;
  const { table: counted, sent } = countedTable(table());
  await lookAtSession(
    { ...engine.deps, table: counted },
    { tenant_id: key.tenant_id, session_id: key.session_id, hops: 0 },
  );
  expect(engine.queue.sent.map(({ delaySeconds }) => delaySeconds)).toEqual([60]);
  expect(sent.map((command) => command.constructor.name)).toEqual([
    "GetCommand",
    "QueryCommand",
    "GetCommand",
    "GetCommand",
    "UpdateCommand",
  ]);
  open();
  await working;
  engine.queue.sent.length = 0;
  engine.clock.advance(76_000);
  await sweep(engine.deps);
  await engine.work();
  expect(await endings(key)).toMatchObject([{ reason: "completed" }]);
});

test("a long answer keeps its head and tail, and the whole beside it", async () => {
  const long = `${"é".repeat(30_000)}THE END`;
  const { key } = await start({
    "child task": [() => says(long)],
    Go: [() => delegates("child task"), () => says("Done.")],
  });
  await ask(key, "Go");
  await engine.work();
  const [result] = await results(key);
  expect(result).toMatchObject({ truncated: true, is_error: false });
  expect(Buffer.byteLength(result?.output ?? "")).toBeLessThanOrEqual(maxInlineToolOutputBytes);
  expect(result?.output).toContain("THE END");
  const whole = await engine.objects.get(result?.object_key ?? "");
  expect(Buffer.from(whole ?? []).length).toBe(result?.output_bytes);
});

describe("a child that has no answer", () => {
  const parent = [() => delegates("child task"), () => says("Then I do it.")];

  test("its model refused the task", async () => {
    const refusal = () => [{ ...says("No.")[1], stopReason: "refusal" }] as ReturnType<typeof says>;
    const { key } = await start({ "child task": [refusal], Go: parent });
    await ask(key, "Go");
    await engine.work();
    expect(await results(key)).toMatchObject([{ is_error: true, output: expect.stringContaining("refused the task") }]);
    expect(await endings(key)).toMatchObject([{ reason: "completed" }]);
  });

  test("a person interrupted it", async () => {
    const { key } = await start({ "child task": [() => calls({ id: "c1" })], Go: parent });
    await ask(key, "Go");
    await engine.work();
    const [child] = await childrenOf(table(), key);
    if (!child) throw new Error("no child");
    await interrupt(engine.deps, child, { user_id: key.user_id, request_id: null });
    await engine.work();
    expect(await results(key)).toMatchObject([
      { is_error: true, output: expect.stringContaining("A person interrupted the sub-session.") },
    ]);
    expect(await endings(key)).toMatchObject([{ reason: "completed" }]);
  });

  test("it was deleted: what it had spent is paid all the same", async () => {
    const { key } = await start({ "child task": [() => calls({ id: "c1" })], Go: parent });
    await ask(key, "Go");
    await engine.work();
    const [child] = await childrenOf(table(), key);
    if (!child) throw new Error("no child");
    await deleteSession(engine.deps, child);
    await engine.work();
    expect(await results(key)).toMatchObject([{ is_error: true, output: expect.stringContaining("was deleted") }]);
    expect(await conversationOf(key)).toMatchObject({ children_tokens: 120 });
    expect(await endings(key)).toMatchObject([{ reason: "completed" }]);
    expect(await sessionsOfTenant(table(), key.tenant_id)).toEqual([key.session_id]);
  });

  test.each([
    ["storedSessions", "The plan allows 1 sessions"],
    ["promptsInFlight", "The plan allows 1 prompts"],
  ] as const)("the plan allows no more %s", async (name, why) => {
    const { key } = await start({ "child task": [() => says("Yes.")], Go: parent });
    engine.deps.plans = { ...engine.deps.plans, limitsOf: () => ({ ...plans.unlimited, [name]: 1 }) };
    if (name === "storedSessions") {
      await rows(table()).entities.quotaCounter.upsert({ tenant_id: key.tenant_id, name }).add({ used: 1 }).go();
    }
    await ask(key, "Go");
    await engine.work();
    expect(await results(key)).toMatchObject([{ is_error: true, output: expect.stringContaining(why) }]);
    expect(await endings(key)).toMatchObject([{ reason: "completed" }]);
    expect(await sessionsOfTenant(table(), key.tenant_id)).toHaveLength(1);
  });

  test("the plan allows it no container", async () => {
    const { key } = await start({ "child task": [() => calls({ id: "c1" })], Go: parent });
    engine.deps.plans = { ...engine.deps.plans, limitsOf: () => ({ ...plans.unlimited, runningContainers: 1 }) };
    await ask(key, "Go");
    await engine.work();
    expect(await results(key)).toMatchObject([
      { is_error: true, output: expect.stringContaining("The plan allows 1 sandboxes") },
    ]);
  });
});
