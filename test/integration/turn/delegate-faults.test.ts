import { lookAtSession } from "../../../shared/agent/look.ts";
import { agentTools } from "../../../shared/agent/tools.ts";
import { platformTools } from "../../../shared/agent/platform-tools.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { deleteSession } from "../../../shared/domain/session/remove.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { giveUpTurn } from "../../../shared/domain/turn/give-up.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { submitPrompt } from "../../../shared/domain/turn/prompt.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { budgetAtRest } from "../../support/budget-at-rest.ts";
import {
  childrenOf,
  completedIn,
  delegates,
  endingsIn,
  modelBySession,
  sessionsOfTenant,
} from "../../support/delegation.ts";
import { dyingTable } from "../../support/dying-table.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { pausedTable } from "../../support/paused-table.ts";
import { turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
let key: Key;
/** Of which no session was deleted. */
const tenants = new Set<string>();
afterEach(async () => {
  const checks = [...tenants].map((tenant) => budgetAtRest(engine.deps.table, tenant, engine.clock.now()));
  tenants.clear();
  const wrong = (await Promise.all(checks)).flatMap((check) => check.wrong);
  await engine.stop();
  expect(wrong).toEqual([]);
});

const { ask, linkUp, sentTo } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;
/** Each crash is a conversation of its own. */
jest.setTimeout(120_000);

async function start(scripts: Parameters<typeof modelBySession>[0]) {
  const model = modelBySession(scripts);
  engine = await startEngine(model);
  engine.deps.tools = [...agentTools, ...platformTools];
  await another();
}

/** A session of another tenant, with a turn that begins. */
async function another(): Promise<void> {
  key = await engine.session();
  tenants.add(key.tenant_id);
}

const conversationOf = (of: SessionKey) => readConversation(engine.deps.table, of);
const endings = async (of: SessionKey) => endingsIn(await engine.log(of));
const reasons = async (of: SessionKey) => (await endings(of)).map(({ reason }) => reason);
const wakeUp = ({ tenant_id, session_id }: SessionKey) => ({ tenant_id, session_id, hops: 0 });

/** Whatever was sent is gone; only the sweeper is left, for as long as it takes. */
async function recover(): Promise<void> {
  for (let minute = 0; minute < 3; minute += 1) {
    engine.queue.sent.length = 0;
    engine.clock.advance(61_000);
    await sweep(engine.deps);
    await engine.work();
  }
}

/** A worker that looks at the session and dies at its n-th write. False where it came to its end before. */
async function diesLooking(of: SessionKey, write: number, moment: "before" | "after"): Promise<boolean> {
  const dying = dyingTable(engine.deps.table, write, moment);
  const looked = lookAtSession({ ...engine.deps, table: dying.table }, wakeUp(of)).then(() => false);
  return Promise.race([looked, dying.died.then(() => true)]);
}

const moments = ["before", "after"] as const;
const answered = { "child task": [() => says("Yes.")], Go: [() => delegates("child task"), () => says("Done.")] };

async function expectOneAnswer(): Promise<void> {
  expect(await sessionsOfTenant(engine.deps.table, key.tenant_id)).toHaveLength(2);
  expect(completedIn(await engine.log(key))).toMatchObject([{ is_error: false }]);
  expect(await reasons(key)).toEqual(["completed"]);
  const [child] = await childrenOf(engine.deps.table, key);
  expect(child && (await reasons(child))).toEqual(["completed"]);
  expect(await conversationOf(key)).toMatchObject({ children_tokens: 120, status: "idle" });
}

describe.each(moments)("the worker dies %s its n-th write", (moment) => {
  test("of the step that delegates", async () => {
    await start(answered);
    let died = true;
    for (let write = 1; died; write += 1) {
      await another();
      await ask(key, "Go");
      died = await diesLooking(key, write, moment);
      await recover();
      await expectOneAnswer();
      expect(write).toBeLessThan(12);
    }
  });

  test("of the look that takes the child's answer", async () => {
    await start(answered);
    let died = true;
    for (let write = 1; died; write += 1) {
      await another();
      await ask(key, "Go");
      await lookAtSession(engine.deps, wakeUp(key));
      const [child] = await childrenOf(engine.deps.table, key);
      if (!child) throw new Error("no child");
      await lookAtSession(engine.deps, wakeUp(child));
      died = await diesLooking(key, write, moment);
      await recover();
      await expectOneAnswer();
      expect(write).toBeLessThan(8);
    }
  });
});

const stopped = {
  "grand task": [() => calls({ id: "g1" }), () => says("Never.")],
  "child task": [() => delegates("grand task"), () => says("Never.")],
  Go: [() => delegates("child task"), () => says("Next.")],
};

/** The child, and its own, are in the middle of a tool call. */
async function threeAtWork() {
  const { turn_id } = await ask(key, "Go");
  await engine.work();
  const [child] = await childrenOf(engine.deps.table, key);
  const [grandchild] = child ? await childrenOf(engine.deps.table, child) : [];
  if (!child || !grandchild) throw new Error("no grandchild");
  engine.queue.sent.length = 0;
  return { child, grandchild, turn_id };
}

async function deleted(of: Key | SessionKey, deps = engine.deps): Promise<void> {
  tenants.delete(of.tenant_id);
  await deleteSession(deps, of);
}

const ways: Record<string, (turn_id: string, deps: Engine["deps"]) => Promise<unknown>> = {
  interrupt: (_, deps) => interrupt(deps, key, { user_id: key.user_id, request_id: null }),
  "an urgent prompt": (_, deps) =>
    submitPrompt(deps, key, { user_id: key.user_id, request_id: null, content: "Stop", delivery: "interrupt" }),
  "giving up": (turn_id, deps) =>
    giveUpTurn(deps, key, { reason: "error", error: { code: "internal", message: "Broken" } }, "Not run.", turn_id),
  deletion: (_, deps) => deleted(key, deps),
};

describe.each(Object.keys(ways))("the parent's turn ends by %s", (way) => {
  const end = (turn_id: string, deps = engine.deps) => ways[way]?.(turn_id, deps) ?? Promise.reject(new Error(way));

  async function expectAllStopped({ child, grandchild }: { child: SessionKey; grandchild: SessionKey }) {
    expect(await reasons(child)).toEqual(["interrupted"]);
    expect(await reasons(grandchild)).toEqual(["interrupted"]);
    expect(completedIn(await engine.log(child))).toHaveLength(1);
    expect(completedIn(await engine.log(grandchild))).toHaveLength(1);
    if (way !== "deletion") expect(completedIn(await engine.log(key))).toHaveLength(1);
    if (way !== "deletion") expect(await conversationOf(key)).toMatchObject({ children_tokens: 240 });
  }

  test("the child's ends too, and its child's, and the sandbox is told", async () => {
    await start(stopped);
    const { turn_id, ...below } = await threeAtWork();
    const link = await linkUp(below.grandchild);
    engine.sockets.posted.clear();
    await end(turn_id);
    expect(sentTo(link, "tool.cancel")).toHaveLength(1);
    await engine.work({ delayed: true });
    await recover();
    await expectAllStopped(below);
  });

  const some = way === "interrupt" || way === "giving up" ? moments : (["after"] as const);
  test.each(some)("and the process dies %s each of its writes", async (moment) => {
    await start(stopped);
    let died = true;
    for (let write = 1; died; write += 1) {
      await another();
      const { turn_id, ...below } = await threeAtWork();
      const dying = dyingTable(engine.deps.table, write, moment);
      const ending = end(turn_id, { ...engine.deps, table: dying.table }).then(() => false);
      died = await Promise.race([ending, dying.died.then(() => true)]);
      // Nothing of it was done: the person asks again.
      if ((await conversationOf(key))?.phase === "tools") await end(turn_id);
      await recover();
      await expectAllStopped(below);
      expect(write).toBeLessThan(10);
    }
  });
});

test("two workers at once make one child, and take one answer", async () => {
  await start(answered);
  await ask(key, "Go");
  const { table } = engine.deps;
  const looks = (count: number) =>
    Promise.all(Array.from({ length: count }, () => lookAtSession(engine.deps, wakeUp(key))));
  const making = pausedTable(table, "TransactWriteCommand", () => looks(2), "child_created_at");
  await lookAtSession({ ...engine.deps, table: making }, wakeUp(key));
  const [child] = await childrenOf(table, key);
  if (!child) throw new Error("no child");
  await lookAtSession(engine.deps, wakeUp(child));
  const taking = pausedTable(table, "TransactWriteCommand", () => looks(2), "tool.completed");
  await lookAtSession({ ...engine.deps, table: taking }, wakeUp(key));
  await recover();
  await expectOneAnswer();
});

test("a call that is over gets no child, also from a worker that was slow", async () => {
  await start(answered);
  await ask(key, "Go");
  const { table } = engine.deps;
  const stop = () => interrupt(engine.deps, key, { user_id: key.user_id, request_id: null });
  const slow = pausedTable(table, "TransactWriteCommand", stop, "child_created_at");
  await lookAtSession({ ...engine.deps, table: slow }, wakeUp(key));
  await recover();
  expect(await sessionsOfTenant(table, key.tenant_id)).toEqual([key.session_id]);
  expect(await reasons(key)).toEqual(["interrupted"]);
});

test("a child that was deleted is not made again by a worker that knew of none", async () => {
  await start({ ...answered, "child task": [() => calls({ id: "c1" })] });
  await ask(key, "Go");
  await engine.work();
  const [child] = await childrenOf(engine.deps.table, key);
  if (!child) throw new Error("no child");
  await deleted(child);
  await recover();
  expect(await sessionsOfTenant(engine.deps.table, key.tenant_id)).toEqual([key.session_id]);
  expect(completedIn(await engine.log(key))).toMatchObject([{ output: expect.stringContaining("was deleted") }]);
});
