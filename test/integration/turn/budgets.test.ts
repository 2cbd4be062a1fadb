import { plans } from "../../../shared/config/plans.ts";
import {
  limitSession,
  limitTenant,
  limitUser,
  sessionBudget,
  tenantBudget,
} from "../../../shared/domain/budget/manage.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { rows } from "../../../shared/data/service.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { submitPrompt } from "../../../shared/domain/turn/prompt.ts";
import { readQueue } from "../../../shared/domain/turn/queue.ts";
import type { PlanLimits } from "../../../shared/ports/plans.ts";
import { budgetAtRest } from "../../support/budget-at-rest.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { countedTable } from "../../support/paused-table.ts";
import { names, resultOf, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(async () => {
  const [tenant] = tenants.splice(0);
  const wrong = tenant === undefined ? [] : (await atRest(tenant)).wrong;
  await engine.stop();
  expect(wrong).toEqual([]);
});

const tenants: string[] = [];
const atRest = (tenant: string) => budgetAtRest(engine.deps.table, tenant, engine.clock.now());
const { ask, linkUp, sentTo, report, answerCall } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;

/** Of a step in these tests: 100 tokens in, 20 out. */
const stepTokens = 120;
const stepCost = 400;
const none = { cost_micro_usd: null, tokens: null };

async function start(...script: Parameters<typeof scriptedModel>[0]) {
  engine = await startEngine(scriptedModel(script));
  const key = await engine.session();
  tenants.push(key.tenant_id);
  await member(key);
  return key;
}

/** Only a member can be limited. */
async function member({ tenant_id, user_id }: Key): Promise<void> {
  const row = { tenant_id, user_id, email: `${user_id}@example.com`, role: "member" as const, generation: 1 };
  await rows(engine.deps.table)
    .entities.user.create({ ...row, created_at: 0 } as never)
    .go();
}

const ended = async (key: Key) =>
  (await engine.log(key)).flatMap((row) => (row.kind === "event" && row.type === "turn.ended" ? [row.data] : []));
const reached = async (key: Key) =>
  (await engine.log(key)).flatMap((row) => (row.kind === "event" && row.type === "budget.reached" ? [row.data] : []));

function planned(limits: Partial<PlanLimits>): void {
  engine.deps.plans = { ...engine.deps.plans, limitsOf: () => ({ ...plans.unlimited, ...limits }) };
}

async function asked(key: Key, times: number): Promise<void> {
  for (let index = 0; index < times; index += 1) {
    await ask(key, `p${index}`);
    await engine.work();
  }
}

type Limit = (key: Key, amount: number | null) => Promise<unknown>;
const limits: Record<string, { unit: "tokens" | "micro_usd"; step: number; limit: Limit }> = {
  tenant: {
    unit: "tokens",
    step: stepTokens,
    limit: ({ tenant_id }, tokens) => limitTenant(engine.deps, tenant_id, { ...none, tokens }),
  },
  user: {
    unit: "micro_usd",
    step: stepCost,
    limit: ({ tenant_id, user_id }, cost_micro_usd) =>
      limitUser(engine.deps, tenant_id, user_id, { ...none, cost_micro_usd }),
  },
  session: {
    unit: "tokens",
    step: stepTokens,
    limit: (key, tokens) => limitSession(engine.deps, key, { session: { ...none, tokens }, turn: none }),
  },
  plan: {
    unit: "micro_usd",
    step: stepCost,
    limit: async (_, microUsdPerMonth) => planned({ microUsdPerMonth }),
  },
};

describe.each(Object.keys(limits))("the budget of the %s", (scope) => {
  const { unit, step, limit } = limits[scope] ?? { unit: "tokens", step: 0, limit: async () => undefined };

  test("a set limit counts what was used before it, ends the turn, keeps the queue; raised, all goes on in its order", async () => {
    const key = await start(() => says("Fine."));
    await asked(key, 2);
    await limit(key, step * 3);
    await asked(key, 1);
    expect((await ended(key)).map(({ reason }) => reason)).toEqual(["completed", "completed", "completed"]);
    const over = await ask(key, "over");
    const second = await ask(key, "second");
    const third = await ask(key, "third");
    await engine.work();
    expect(await reached(key)).toEqual([{ scope, unit, limit: step * 3, used: step * 3 }]);
    expect((await ended(key)).at(-1)).toMatchObject({ reason: "budget_reached", error: null, steps: 0 });
    expect((await readQueue(engine.deps, key)).map(({ turn_id }) => turn_id)).toEqual([second.turn_id, third.turn_id]);
    expect(await readConversation(engine.deps.table, key)).toMatchObject({ status: "idle", phase: "none" });
    await limit(key, step * 10);
    const next = await ask(key, "next");
    expect(next.queued).toBe(true);
    await engine.work();
    const began = (await engine.log(key)).flatMap((row) =>
      row.kind === "event" && row.type === "turn.started" ? [row.turn_id] : [],
    );
    expect(began.slice(-4)).toEqual([over.turn_id, second.turn_id, third.turn_id, next.turn_id]);
    expect((await ended(key)).slice(-3).map(({ reason }) => reason)).toEqual(["completed", "completed", "completed"]);
  });

  test("a limit of nothing allows nothing; none allows all", async () => {
    const key = await start(() => says("Fine."));
    await limit(key, 0);
    await asked(key, 1);
    expect(await reached(key)).toEqual([{ scope, unit, limit: 0, used: 0 }]);
    await limit(key, null);
    await asked(key, 1);
    expect((await ended(key)).map(({ reason }) => reason)).toEqual(["budget_reached", "completed"]);
  });
});

test("the budget of a turn ends that turn only, through its checkpoint; the next begins with nothing used", async () => {
  const key = await start(
    () => calls({ id: "t1" }),
    () => says("Next."),
  );
  await limitSession(engine.deps, key, { session: none, turn: { ...none, tokens: stepTokens } });
  const { turn_id } = await ask(key, "Build it");
  await ask(key, "Next");
  await engine.work();
  const link = await linkUp(key);
  await answerCall(link);
  expect((await sessionBudget(engine.deps, key)).turn).toMatchObject({ used: { tokens: stepTokens } });
  await engine.work();
  expect(sentTo(link, "checkpoint.take")).toHaveLength(1);
  await report(link, turn_id);
  await engine.work();
  expect(names(await engine.log(key)).filter((name) => /turn|budget/.test(name))).toEqual([
    "turn.started",
    "budget.reached",
    "turn.ended",
    "turn.started",
  ]);
  expect(await reached(key)).toEqual([{ scope: "turn", unit: "tokens", limit: stepTokens, used: stepTokens }]);
  await report(link, (await readConversation(engine.deps.table, key))?.turn_id ?? "", "c".repeat(40));
  expect((await ended(key)).map(({ reason }) => reason)).toEqual(["budget_reached", "completed"]);
});

test("a limit that is set while a turn runs holds for it within a minute, one that was there at once", async () => {
  const key = await start(
    () => calls({ id: "t1" }),
    () => calls({ id: "t2" }),
    () => says("Never."),
  );
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  await limitTenant(engine.deps, key.tenant_id, { ...none, tokens: stepTokens });
  await receiveResult(engine.deps, link, resultOf(must(sentTo(link, "tool.run")[0])));
  await engine.work();
  expect(await reached(key)).toEqual([]);
  engine.clock.advance(61_000);
  await receiveResult(engine.deps, link, resultOf(must(sentTo(link, "tool.run")[1])));
  await engine.work();
  expect(await reached(key)).toEqual([{ scope: "tenant", unit: "tokens", limit: stepTokens, used: 2 * stepTokens }]);
});

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not there");
  return value;
}

test("without a limit a step reads and writes nothing for budgets", async () => {
  const key = await start(() => says("Fine."));
  await asked(key, 2);
  await ask(key, "Counted");
  const { table, sent } = countedTable(engine.deps.table);
  engine.deps.table = table;
  await engine.work();
  const kinds = sent.filter(({ input }) => /\$(budget|usageCounter)_/.test(JSON.stringify(input)));
  // What the commit counts anyway.
  expect(kinds.map(({ constructor }) => constructor.name)).toEqual(["TransactWriteCommand"]);
  expect(JSON.stringify(kinds)).not.toContain("$budget_");
  const { tenant_id } = key;
  const found = await rows(engine.deps.table).entities.budget.query.byScope({ tenant_id }).go();
  expect(found.data).toEqual([]);
  expect(await readConversation(engine.deps.table, key)).not.toHaveProperty("reserved");
});

test("what a user may spend does not limit another", async () => {
  const key = await start(() => says("Fine."));
  await limitUser(engine.deps, key.tenant_id, key.user_id, { ...none, tokens: 0 });
  const other = await engine.session(key.tenant_id);
  await asked(other, 1);
  expect((await ended(other)).map(({ reason }) => reason)).toEqual(["completed"]);
});

test("money is limited, and the model's price is unknown: the turn ends with that, and the queue stays", async () => {
  const key = await start(() => says("Fine."));
  engine.deps.price = () => null;
  await limitTenant(engine.deps, key.tenant_id, { ...none, cost_micro_usd: 1_000_000 });
  await ask(key, "One");
  await ask(key, "Two");
  await engine.work();
  expect((await ended(key)).at(-1)).toMatchObject({ reason: "error", error: { code: "price_unknown" } });
  expect(await readQueue(engine.deps, key)).toHaveLength(1);
  await limitTenant(engine.deps, key.tenant_id, { ...none, tokens: 1_000_000 });
  await asked(key, 1);
  expect((await ended(key)).slice(-2).map(({ reason }) => reason)).toEqual(["completed", "completed"]);
});

test("the month begins anew in UTC", async () => {
  const key = await start(() => says("Fine."));
  await limitTenant(engine.deps, key.tenant_id, { ...none, tokens: stepTokens });
  await asked(key, 2);
  expect((await ended(key)).map(({ reason }) => reason)).toEqual(["completed", "budget_reached"]);
  engine.clock.advance(Date.UTC(2026, 11, 1) - engine.clock.now());
  expect(await tenantBudget(engine.deps, key.tenant_id)).toMatchObject({ month: "2026-12", used: { tokens: 0 } });
  await asked(key, 1);
  expect((await ended(key)).at(-1)).toMatchObject({ reason: "completed" });
  // The sums of two months: the check is for one.
  tenants.length = 0;
});

describe("prompts in flight", () => {
  const quota = async (key: Key) =>
    (
      await rows(engine.deps.table)
        .entities.quotaCounter.get({ tenant_id: key.tenant_id, name: "promptsInFlight" })
        .go()
    ).data?.used ?? 0;

  test("running and waiting ones count, until they end, are cancelled or never begin", async () => {
    const key = await start(() => says("Fine."));
    planned({ promptsInFlight: 2 });
    const other = await engine.session(key.tenant_id);
    await ask(key, "One");
    await ask(key, "Two");
    await expect(ask(other, "Three")).rejects.toMatchObject({ code: "quota_exceeded" });
    expect(await quota(key)).toBe(2);
    await engine.work();
    expect(await quota(key)).toBe(0);
    await ask(other, "Three");
    await engine.work();
    expect(await quota(key)).toBe(0);
  });

  test("a repeated prompt has its answer at the limit; a steering one needs no place", async () => {
    const key = await start(() => calls({ id: "t1" }));
    planned({ promptsInFlight: 1 });
    const first = await ask(key, "One", "r1");
    expect(await ask(key, "One", "r1")).toEqual(first);
    const steering = { user_id: key.user_id, request_id: null, content: "And blue", delivery: "steer" as const };
    await submitPrompt(engine.deps, key, steering);
    await expect(ask(key, "Two")).rejects.toMatchObject({ code: "quota_exceeded" });
    expect(await quota(key)).toBe(1);
  });

  test("a plan that changes in between leaves no trace", async () => {
    const key = await start(() => says("Fine."));
    await ask(key, "Not counted");
    planned({ promptsInFlight: 5 });
    await ask(key, "Counted");
    planned({ promptsInFlight: null });
    await ask(key, "Not counted either");
    expect(await quota(key)).toBe(1);
    await engine.work();
    expect(await quota(key)).toBe(0);
  });
});
