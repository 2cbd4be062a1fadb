import { resolveApproval, type ApprovalRequest } from "../../../shared/domain/approval/resolve.ts";
import { readConversation, transition } from "../../../shared/domain/conversation/conversation.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { giveUpTurn } from "../../../shared/domain/turn/give-up.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { lookAtSession } from "../../../shared/agent/look.ts";
import { dyingTable } from "../../support/dying-table.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { parkTurn, toolUse } from "../../support/parked.ts";
import { resultOf, turnDriver, type RunCommand } from "../../support/turn-driver.ts";

// A process dies at each of its writes, and each time a whole turn follows.
jest.setTimeout(120_000);

let engine: Engine;
const { ask, linkUp, sentTo } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;
type Deps = Engine["deps"];
const moments = ["before", "after"] as const;
const day = 24 * 3600_000;

beforeAll(async () => {
  const answered = (messages: unknown) => JSON.stringify(messages).includes("tool_result");
  engine = await startEngine(
    scriptedModel([({ messages }) => (answered(messages) ? says("Done.") : calls({ id: "c1" }))]),
  );
});
afterAll(() => engine.stop());

/** A session whose only call waits for a person. */
async function parked(policy: unknown = { default: "ask" }): Promise<Key & { approval_id: string }> {
  const key = await engine.session();
  await ask(key, "Build it");
  engine.queue.sent.length = 0;
  const [approval_id = ""] = await parkTurn(engine.deps, key, [toolUse("c1")], policy);
  return { ...key, approval_id };
}

/** Runs in a process that dies at its n-th write. False where it had fewer. */
async function dies(writeNumber: number, moment: "before" | "after", run: (deps: Deps) => Promise<unknown>) {
  const { table, died } = dyingTable(engine.deps.table, writeNumber, moment);
  const ended = run({ ...engine.deps, table }).then(() => false);
  return Promise.race([died.then(() => true), ended]);
}

/** Whatever was sent is gone; only the sweeper is left. */
async function bySweeper(): Promise<void> {
  engine.queue.sent.length = 0;
  engine.clock.advance(16_000);
  await sweep(engine.deps);
  await engine.work();
}

const events = async (key: SessionKey, type: string) =>
  (await engine.log(key)).filter((row) => row.kind === "event" && row.type === type);

/** Its sandbox runs what it was sent, each call once; the turn ends. What it ran. */
async function finish(key: SessionKey): Promise<string[]> {
  const link = await linkUp(key, `link-${key.session_id}`);
  const sent = new Map<string, RunCommand>(sentTo(link, "tool.run").map((command) => [command.call_id, command]));
  for (const command of sent.values()) await receiveResult(engine.deps, link, resultOf(command));
  await engine.work({ delayed: true });
  return [...sent.keys()];
}

const decide = (deps: Deps, key: Key & { approval_id: string }, decision: ApprovalRequest["decision"] = "approve") =>
  resolveApproval(deps, key, { user_id: key.user_id, request_id: "r1", approval_id: key.approval_id, decision });

/** At each write of a process, before it and after it. */
async function atEachWrite(
  begin: () => Promise<Key & { approval_id: string }>,
  run: (deps: Deps, key: Key & { approval_id: string }) => Promise<unknown>,
  then: (key: Key & { approval_id: string }) => Promise<void>,
): Promise<number> {
  let deaths = 0;
  for (const moment of moments) {
    for (let write = 1; ; write += 1) {
      const key = await begin();
      const isDead = await dies(write, moment, (deps) => run(deps, key));
      if (isDead) deaths += 1;
      await then(key);
      if (!isDead) break;
    }
  }
  return deaths;
}

async function expectRanOnce(key: Key & { approval_id: string }): Promise<void> {
  await bySweeper();
  expect(await finish(key)).toEqual(["c1"]);
  for (const type of ["approval.resolved", "tool.started", "tool.completed", "turn.ended"]) {
    expect([type, (await events(key, type)).length]).toEqual([type, 1]);
  }
}

test("who approves dies at any write: the same request gives its answer, and the call runs once", async () => {
  const deaths = await atEachWrite(parked, decide, async (key) => {
    expect(await decide(engine.deps, key)).toMatchObject({ decision: "approved" });
    await expectRanOnce(key);
  });
  expect(deaths).toBeGreaterThanOrEqual(2);
});

test("who denies dies at any write: one denial, and no run", async () => {
  await atEachWrite(
    parked,
    (deps, key) => decide(deps, key, "deny"),
    async (key) => {
      expect(await decide(engine.deps, key, "deny")).toMatchObject({ decision: "denied" });
      await bySweeper();
      await engine.work({ delayed: true });
      expect(await events(key, "tool.started")).toEqual([]);
      expect(await events(key, "tool.completed")).toHaveLength(1);
      expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "none" });
    },
  );
});

test("the worker that places an approved call dies at any write: the next one places it, and it runs once", async () => {
  const begin = async () => {
    const key = await parked();
    await decide(engine.deps, key);
    engine.queue.sent.length = 0;
    return key;
  };
  const deaths = await atEachWrite(
    begin,
    (deps, { tenant_id, session_id }) => lookAtSession(deps, { tenant_id, session_id, hops: 0 }),
    expectRanOnce,
  );
  expect(deaths).toBeGreaterThanOrEqual(6);
});

test("the worker that lets the deadline pass dies at any write: it passes once", async () => {
  const begin = async () => {
    const key = await parked({ default: "ask", on_deadline: "allow" });
    engine.clock.advance(7 * day);
    return key;
  };
  await atEachWrite(
    begin,
    (deps, { tenant_id, session_id }) => lookAtSession(deps, { tenant_id, session_id, hops: 0 }),
    async (key) => {
      await bySweeper();
      await expectRanOnce(key);
      expect(await events(key, "approval.resolved")).toMatchObject([{ data: { decision: "expired" } }]);
    },
  );
});

test("two workers place at once: one container, one run", async () => {
  const key = await parked();
  await decide(engine.deps, key);
  const { tenant_id, session_id } = key;
  const before = engine.sandbox.launched.length;
  await Promise.all([1, 2].map(() => lookAtSession(engine.deps, { tenant_id, session_id, hops: 0 })));
  expect(engine.sandbox.launched.slice(before).map(({ epoch }) => epoch)).toEqual([1]);
  await expectRanOnce(key);
});

test("the end of a turn with thirty-two open calls fits one transaction", async () => {
  const key = await engine.session();
  await ask(key, "Build it");
  const rules = [{ tool: "write", policy: "ask" }];
  const content = Array.from({ length: 32 }, (_, index) =>
    toolUse(`c${index}`, index < 16 ? { file_path: "a" } : { command: "b" }, index < 16 ? "write" : "bash"),
  );
  expect(await parkTurn(engine.deps, key, content, { rules })).toHaveLength(16);
  for (const waiting of ["Next", "After"]) await ask(key, waiting);
  // As many as are told of a turn's end.
  const followers = Array.from({ length: 10 }, (_, index) => `usr_${index}`);
  await transition(engine.deps, key, () => ({ rows: [], change: { followers }, result: null }));
  await giveUpTurn(engine.deps, key, { reason: "error", error: null }, "Gone.");
  expect(await events(key, "tool.completed")).toHaveLength(32);
  expect(await events(key, "approval.resolved")).toHaveLength(16);
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "model" });
});
