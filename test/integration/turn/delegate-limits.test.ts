import { agentTools } from "../../../shared/agent/tools.ts";
import { platformTools } from "../../../shared/agent/platform-tools.ts";
import { resolveApproval } from "../../../shared/domain/approval/resolve.ts";
import { limitSession, sessionBudget } from "../../../shared/domain/budget/manage.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { patchSession } from "../../../shared/domain/session/change.ts";
import { isHeld } from "../../../shared/domain/session/pack-hold.ts";
import { readSession } from "../../../shared/domain/session/session-answer.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { JsonText } from "../../../shared/protocol/json-text.ts";
import { budgetAtRest } from "../../support/budget-at-rest.ts";
import { childrenOf, completedIn, delegates, endingsIn, modelBySession } from "../../support/delegation.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
let key: Key;
beforeEach(async () => {
  engine = await startEngine(
    modelBySession({
      "child task": [() => calls({ id: "c1", name: "ask_user", input: { question: "Go on?" } })],
      "quick task": [() => says("Yes.")],
      "two tasks": [() => delegates("child task 1", "child task 2"), () => says("Done.")],
      "a task": [() => delegates("child task"), () => says("Done.")],
      "slow task": [() => calls({ id: "x", name: "delegate", input: {} }), () => says("Yes.")],
      "Be slow": [() => delegates("slow task"), () => says("Done.")],
      "Be quick": [() => delegates("quick task"), () => says("Done.")],
      First: [() => calls({ id: "t1" }), () => delegates("quick task"), () => says("Built.")],
    }),
  );
  engine.deps.tools = [...agentTools, ...platformTools];
  key = await engine.session();
});
afterEach(async () => {
  const { wrong } = await budgetAtRest(engine.deps.table, key.tenant_id, engine.clock.now());
  await engine.stop();
  expect(wrong).toEqual([]);
});

type Key = Awaited<ReturnType<Engine["session"]>>;
const { ask, linkUp, report, answerCall } = turnDriver(() => engine);
const none = { cost_micro_usd: null, tokens: null };
const limit = (session: number | null, turn: number | null) =>
  limitSession(engine.deps, key, { session: { ...none, tokens: session }, turn: { ...none, tokens: turn } });
const conversationOf = (of: SessionKey) => readConversation(engine.deps.table, of);
const endings = async (of: SessionKey) => endingsIn(await engine.log(of));

async function askAndRun(text: string): Promise<SessionKey[]> {
  await ask(key, text);
  await engine.work();
  return childrenOf(engine.deps.table, key);
}

/** Of a step: 120 tokens. */
test.each([
  ["the turn's rest", null, 1120, 250],
  ["the session's rest", 720, null, 150],
  ["the lower of both", 720, 1120, 150],
])("two children share half of %s", async (_, session, turn, share) => {
  await limit(session, turn);
  const children = await askAndRun("two tasks");
  expect(children).toHaveLength(2);
  for (const child of children) {
    expect((await conversationOf(child))?.limits).toEqual({ session_tokens: share });
  }
});

test("where the parent has no limit, the child has none", async () => {
  const [child] = await askAndRun("a task");
  expect((await conversationOf(child ?? key))?.limits).toBeUndefined();
});

test("nothing left to share: the call is refused, and no session made", async () => {
  await limit(121, null);
  expect(await askAndRun("a task")).toEqual([]);
  expect(completedIn(await engine.log(key))).toMatchObject([
    { is_error: true, output: expect.stringContaining("too small to share") },
  ]);
});

test("a child that used up its share says so", async () => {
  await limit(null, 300);
  const [child] = await askAndRun("Be slow");
  expect(child && (await conversationOf(child))?.limits).toEqual({ session_tokens: 90 });
  expect(completedIn(await engine.log(key))).toMatchObject([
    { is_error: true, output: expect.stringContaining("its share of the budget is used up") },
  ]);
  expect((await endings(key)).map(({ reason }) => reason)).toEqual(["completed"]);
});

test("what a child spent counts against the turn's limit", async () => {
  await limit(null, 240);
  await askAndRun("Be quick");
  expect(completedIn(await engine.log(key))).toMatchObject([{ is_error: false }]);
  expect((await endings(key)).map(({ reason }) => reason)).toEqual(["budget_reached"]);
  expect((await sessionBudget(engine.deps, key)).session.used).toEqual({ tokens: 240, cost_micro_usd: 800 });
});

test("what children spent counts against the session's limit", async () => {
  await limit(360, null);
  await askAndRun("Be quick");
  expect((await endings(key)).map(({ reason }) => reason)).toEqual(["completed"]);
  await ask(key, "More");
  await engine.work();
  expect((await endings(key)).map(({ reason }) => reason)).toEqual(["completed", "budget_reached"]);
});

test("the child starts from its parent's latest checkpoint, and keeps its packs", async () => {
  await ask(key, "First");
  await engine.work();
  const link = await linkUp(key);
  await report(link, "late", "c".repeat(40));
  await answerCall(link);
  await engine.work({ delayed: true });
  const [child] = await childrenOf(engine.deps.table, key);
  const made = child && (await conversationOf(child));
  expect(JSON.parse(made?.seed ?? "null")).toMatchObject({ commit: "c".repeat(40), pack_keys: [expect.any(String)] });
  expect(await isHeld(engine.deps.table, key)).toBe(true);
});

test("a person decides whether a task is given away", async () => {
  const config = { approvals: { rules: [{ tool: "delegate", policy: "ask" }] } };
  const sbx_config = new JsonText(JSON.stringify(config));
  await patchSession(
    { ...engine.deps, offer: { networkPolicies: ["open"] } },
    key,
    { sbx_config: config } as never,
    (name) => (name === "sbx_config" ? sbx_config : null),
  );
  expect(await askAndRun("Be quick")).toEqual([]);
  const asked = (await engine.log(key)).flatMap((row) =>
    row.kind === "event" && row.type === "approval.requested" ? [row.data.approval_id] : [],
  );
  expect(await conversationOf(key)).toMatchObject({ status: "waiting" });
  const approval = {
    user_id: key.user_id,
    request_id: null,
    approval_id: asked[0] ?? "",
    decision: "approve" as const,
  };
  await resolveApproval(engine.deps, key, approval);
  await engine.work();
  const [child] = await childrenOf(engine.deps.table, key);
  if (!child) throw new Error("no child");
  expect(await conversationOf(child)).toMatchObject({ approvals: (await conversationOf(key))?.approvals });
  expect((await readSession(engine.deps.table, child)).sbx_config).toEqual(sbx_config);
  expect(completedIn(await engine.log(key))).toMatchObject([{ is_error: false, name: "delegate" }]);
  const started = (await engine.log(key)).filter((row) => row.kind === "event" && row.type === "tool.started");
  expect(started).toMatchObject([{ data: { child_session_id: child.session_id } }]);
});
