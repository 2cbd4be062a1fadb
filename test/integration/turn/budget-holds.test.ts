import { readBudget } from "../../../shared/domain/budget/budget.ts";
import { limitTenant, limitUser } from "../../../shared/domain/budget/manage.ts";
import { readConversation, transition } from "../../../shared/domain/conversation/conversation.ts";
import type { Link } from "../../../shared/domain/container/link.ts";
import { rows } from "../../../shared/data/service.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { ApprovalPolicy } from "../../../shared/protocol/approval.ts";
import { budgetAtRest } from "../../support/budget-at-rest.ts";
import { calls, says, startEngine, usage, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { countedTable } from "../../support/paused-table.ts";
import { resultOf, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
let key: Awaited<ReturnType<Engine["session"]>>;
afterEach(async () => {
  const { wrong } = await budgetAtRest(engine.deps.table, key.tenant_id, engine.clock.now());
  await engine.stop();
  expect(wrong).toEqual([]);
});

const { ask, linkUp, sentTo, report } = turnDriver(() => engine);
const none = { cost_micro_usd: null, tokens: null };
/** Of a step in these tests: 100 tokens in, 20 out. */
const stepTokens = 120;

type Step = Parameters<typeof scriptedModel>[0][number];
const tool =
  (id: string): Step =>
  () =>
    calls({ id });

async function start(limit: number, ...script: Step[]): Promise<void> {
  engine = await startEngine(scriptedModel(script));
  key = await engine.session();
  await limitTenant(engine.deps, key.tenant_id, { ...none, tokens: limit });
}

const held = async (scope = "tenant") =>
  (await readBudget(engine.deps.table, key.tenant_id, scope))?.reserved.tokens ?? 0;
const holds = async () => (await readConversation(engine.deps.table, key))?.reserved?.tokens;
const ending = async () => (await engine.log(key)).findLast((row) => row.kind === "event" && row.type === "turn.ended");

/** The sandbox answers the newest call, and the model is asked again. */
async function step(link: Link): Promise<void> {
  const call = sentTo(link, "tool.run").at(-1);
  if (!call) throw new Error("no call");
  await receiveResult(engine.deps, link, resultOf(call));
  await engine.work();
}

async function begin(): Promise<Link> {
  await ask(key, "Go");
  await engine.work();
  return linkUp(key);
}

async function end(link: Link): Promise<void> {
  const current = await readConversation(engine.deps.table, key);
  if (current?.phase === "checkpoint") await report(link, current.turn_id ?? "");
}

test("a turn holds what its last step held, until it ends: a step that needs about as much writes no budget", async () => {
  await start(1_000_000, tool("t1"), tool("t2"), tool("t3"), () => says("Done."));
  const link = await begin();
  expect([await held(), await holds()]).toEqual([5_500, 5_500]);
  await step(link);
  expect([await held(), await holds()]).toEqual([stepTokens, stepTokens]);
  const { table, sent } = countedTable(engine.deps.table);
  engine.deps.table = table;
  await step(link);
  const writes = sent.filter(({ constructor }) => !/^(Get|Query)/.test(constructor.name));
  expect(writes.filter(({ input }) => JSON.stringify(input).includes("$budget_"))).toEqual([]);
  expect([await held(), await holds()]).toEqual([stepTokens, stepTokens]);
  await step(link);
  expect(await held()).toBe(0);
  await end(link);
});

test("a step that needs far more is held for as such, once", async () => {
  const much = { ...usage, input_tokens: 9_000, output_tokens: 1_000 };
  const content = [{ type: "tool_use" as const, id: "t2", name: "bash", input: { command: "true" } }];
  const during: unknown[] = [];
  await start(
    1_000_000,
    tool("t1"),
    () => [{ type: "completed", content, stopReason: "tool_use", usage: much, requestId: null }],
    async function* () {
      during.push(await held(), await holds());
      yield* says("Done.");
    },
  );
  const link = await begin();
  await step(link);
  expect(await held()).toBe(stepTokens);
  await step(link);
  expect(during).toEqual([10_000, 10_000]);
  await end(link);
});

test("what the session holds itself does not stand in its way, to the last token", async () => {
  await start(stepTokens * 3, tool("t1"), tool("t2"), tool("t3"), () => says("Never."));
  const link = await begin();
  await step(link);
  await step(link);
  expect((await engine.log(key)).filter((row) => row.kind === "message" && row.role === "assistant")).toHaveLength(3);
  await step(link);
  await end(link);
  expect((await engine.log(key)).find((row) => row.kind === "event" && row.type === "budget.reached")).toMatchObject({
    data: { scope: "tenant", limit: stepTokens * 3, used: stepTokens * 3 },
  });
  expect(await ending()).toMatchObject({ data: { reason: "budget_reached", steps: 3 } });
});

test("what a session holds between its steps counts for others", async () => {
  await start(5_000, tool("t1"), () => says("Done."));
  const link = await begin();
  const other = await engine.session(key.tenant_id);
  await ask(other, "Me too");
  await engine.work();
  expect((await engine.log(other)).find((row) => row.kind === "event" && row.type === "budget.reached")).toMatchObject({
    data: { used: 5_500 + stepTokens },
  });
  await step(link);
  await end(link);
  expect(await ending()).toMatchObject({ data: { reason: "completed" } });
});

test("a turn that waits for a person holds nothing, and holds again once it was answered", async () => {
  await start(1_000_000, tool("t1"), () => says("Done."));
  const approvals = JSON.stringify(ApprovalPolicy.parse({ default: "ask" }));
  await transition(engine.deps, key, () => ({ rows: [], change: { approvals }, result: null }));
  await ask(key, "Go");
  await engine.work();
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ status: "waiting" });
  expect([await held(), await holds()]).toEqual([0, undefined]);
  await interrupt(engine.deps, key, { user_id: key.user_id, request_id: null });
  await engine.work();
  expect(await ending()).toMatchObject({ data: { reason: "interrupted" } });
});

test("another user's limit is set, the tenant's lifted, while the turn runs: each holds what is its own", async () => {
  await start(1_000_000, tool("t1"), tool("t2"), () => says("Done."));
  const { tenant_id, user_id } = key;
  const row = { tenant_id, user_id, email: "a@example.com", role: "member" as const, generation: 1, created_at: 0 };
  await rows(engine.deps.table)
    .entities.user.create(row as never)
    .go();
  const link = await begin();
  await limitTenant(engine.deps, tenant_id, none);
  await limitUser(engine.deps, tenant_id, user_id, { ...none, tokens: 1_000_000 });
  // As after a minute, in which a container that says nothing would be lost.
  await transition(engine.deps, key, () => ({ rows: [], change: { budgets: null }, result: null }));
  await step(link);
  expect([await held(), await held(`user#${user_id}`)]).toEqual([0, stepTokens]);
  await step(link);
  await end(link);
  expect(await held(`user#${user_id}`)).toBe(0);
});

test("killed with what an earlier step held: who takes over holds it once, also where the budget is used up meanwhile", async () => {
  await start(
    1_000_000,
    tool("t1"),
    () => {
      throw new Error("killed");
    },
    () => says("Done."),
  );
  const link = await begin();
  await expect(step(link)).rejects.toThrow("killed");
  expect([await held(), await holds()]).toEqual([stepTokens, stepTokens]);
  await limitTenant(engine.deps, key.tenant_id, { ...none, tokens: 1 });
  engine.clock.advance(60_000);
  await sweep(engine.deps);
  await engine.work();
  expect(await held()).toBe(0);
  await end(link);
});
