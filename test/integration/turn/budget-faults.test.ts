import { lookAtSession } from "../../../shared/agent/look.ts";
import { limitTenant, limitUser } from "../../../shared/domain/budget/manage.ts";
import { readBudget } from "../../../shared/domain/budget/budget.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { rows } from "../../../shared/data/service.ts";
import { deleteSession } from "../../../shared/domain/session/remove.ts";
import { failSession } from "../../../shared/domain/turn/fail-session.ts";
import { leaseMs } from "../../../shared/domain/turn/step.decisions.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { ModelFailure, type ModelEvent } from "../../../shared/ports/model.ts";
import { budgetAtRest } from "../../support/budget-at-rest.ts";
import { endlessAnswer } from "../../support/broken-off.ts";
import { says, startEngine, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { pausedTable } from "../../support/paused-table.ts";
import { turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
let key: Awaited<ReturnType<Engine["session"]>>;
afterEach(async () => {
  const { wrong } = await budgetAtRest(engine.deps.table, key.tenant_id, engine.clock.now());
  await engine.stop();
  expect(wrong).toEqual([]);
});

const { ask } = turnDriver(() => engine);
const none = { cost_micro_usd: null, tokens: null };
const plenty = { ...none, tokens: 1_000_000 };

/** Everything is limited, so that everything is held. */
async function start(...script: Parameters<typeof scriptedModel>[0]): Promise<void> {
  engine = await startEngine(scriptedModel(script));
  key = await engine.session();
  const { tenant_id, user_id } = key;
  const row = { tenant_id, user_id, email: "a@example.com", role: "member" as const, generation: 1, created_at: 0 };
  await rows(engine.deps.table)
    .entities.user.create(row as never)
    .go();
  await limitTenant(engine.deps, tenant_id, plenty);
  await limitUser(engine.deps, tenant_id, user_id, { ...none, cost_micro_usd: 1_000_000 });
}

const held = async (scope: string) => (await readBudget(engine.deps.table, key.tenant_id, scope))?.reserved;
const userScope = () => `user#${key.user_id}`;
const crash = (): Iterable<ModelEvent> => {
  throw new Error("killed");
};
const ending = async () => (await engine.log(key)).findLast((row) => row.kind === "event" && row.type === "turn.ended");

/** A worker claims the step and dies. What it held is held on. */
async function claimAndDie(): Promise<void> {
  await ask(key, "Hello");
  await expect(engine.work()).rejects.toThrow("killed");
  expect(await held("tenant")).toEqual({ cost_micro_usd: 15_000, tokens: 5_500 });
  expect(await held(userScope())).toEqual({ cost_micro_usd: 15_000, tokens: 5_500 });
}

async function takeOver(): Promise<void> {
  engine.clock.advance(60_000);
  await sweep(engine.deps);
  await engine.work();
}

test("killed after the claim: who takes over holds the same, once", async () => {
  let during: unknown;
  await start(crash, async function* () {
    during = [await held("tenant"), await held(userScope())];
    yield* says("Fine.");
  });
  await claimAndDie();
  await takeOver();
  expect(during).toEqual([
    { cost_micro_usd: 15_000, tokens: 5_500 },
    { cost_micro_usd: 15_000, tokens: 5_500 },
  ]);
  expect(await ending()).toMatchObject({ data: { reason: "completed" } });
});

test("the next step holds as much as the last one used", async () => {
  const during: unknown[] = [];
  await start(async function* () {
    during.push(await held("tenant"));
    yield* says("Fine.");
  });
  for (const prompt of ["One", "Two"]) {
    await ask(key, prompt);
    await engine.work();
  }
  expect(during).toEqual([
    { cost_micro_usd: 15_000, tokens: 5_500 },
    { cost_micro_usd: 400, tokens: 120 },
  ]);
});

test("killed again and again: the turn ends, and nothing is held", async () => {
  await start(crash);
  await claimAndDie();
  for (let round = 0; round < 6; round += 1) await takeOver().catch(() => undefined);
  expect(await ending()).toMatchObject({ data: { reason: "error" } });
});

test("a worker that comes back after it was taken over gives nothing back twice", async () => {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  await start(
    async function* () {
      begin();
      await gate;
      yield* says("Late.");
    },
    () => says("In time."),
  );
  await ask(key, "Hello");
  const { sleep } = engine.clock;
  engine.clock.sleep = () => new Promise(() => undefined);
  const working = engine.work();
  await begun;
  engine.clock.sleep = sleep;
  await takeOver();
  open();
  await working;
  expect((await engine.log(key)).filter((row) => row.kind === "message" && row.role === "assistant")).toHaveLength(1);
});

test.each([
  ["waits", new ModelFailure("overloaded", "529", { retryAfterMs: 5_000 })],
  ["refuses", new ModelFailure("rejected", "400")],
])("a model that %s holds nothing", async (_, failure) => {
  await start(() => {
    throw failure;
  });
  await ask(key, "Hello");
  await engine.work();
  expect(await held("tenant")).toEqual({ cost_micro_usd: 0, tokens: 0 });
});

test("interrupted while it holds: what was counted is paid, the rest is given back", async () => {
  const endless = endlessAnswer([{ type: "text", text: "Half" }]);
  await start(endless.answer);
  await ask(key, "Hello");
  const working = engine.work();
  await endless.spoken;
  expect(await held("tenant")).toEqual({ cost_micro_usd: 15_000, tokens: 5_500 });
  await interrupt(engine.deps, key, { user_id: key.user_id, request_id: null });
  await working;
  expect(await ending()).toMatchObject({ data: { reason: "interrupted" } });
});

test("interrupted over a dead worker", async () => {
  await start(crash);
  await claimAndDie();
  await interrupt(engine.deps, key, { user_id: key.user_id, request_id: null });
  await engine.work({ delayed: true });
  expect(await ending()).toMatchObject({ data: { reason: "interrupted" } });
});

test("a wake-up that is given up", async () => {
  await start(crash);
  await claimAndDie();
  // Until then it may be that the worker lives.
  engine.clock.advance(leaseMs + 1);
  await failSession(engine.deps, { ...key, hops: 0 });
  expect(await ending()).toMatchObject({ data: { reason: "error" } });
});

test("a session that is deleted", async () => {
  await start(crash);
  await claimAndDie();
  await deleteSession({ ...engine.deps, jobs: { send: async () => undefined } }, key);
  expect(await held("tenant")).toEqual({ cost_micro_usd: 0, tokens: 0 });
});

test("a limit that is lifted while it is held", async () => {
  await start(crash, () => says("Fine."));
  await claimAndDie();
  await limitTenant(engine.deps, key.tenant_id, none);
  await limitUser(engine.deps, key.tenant_id, key.user_id, none);
  await takeOver();
  expect(await ending()).toMatchObject({ data: { reason: "completed" } });
});

test("what another session holds counts: the last step goes to one of them", async () => {
  const endless = endlessAnswer([{ type: "text", text: "Half" }]);
  await start(endless.answer, () => says("Never."));
  await limitTenant(engine.deps, key.tenant_id, { ...none, tokens: 5_000 });
  await ask(key, "Hello");
  const working = engine.work();
  await endless.spoken;
  const other = await engine.session(key.tenant_id);
  await ask(other, "Hello");
  await engine.work();
  expect((await engine.log(other)).find((row) => row.kind === "event" && row.type === "budget.reached")).toMatchObject({
    data: { scope: "tenant", unit: "tokens", limit: 5_000, used: 5_500 },
  });
  await interrupt(engine.deps, key, { user_id: key.user_id, request_id: null });
  await working;
});

test("another session takes what is left between the look and the claim: the claim is refused", async () => {
  const endless = endlessAnswer([{ type: "text", text: "Half" }]);
  await start(endless.answer, () => says("Never."));
  await limitTenant(engine.deps, key.tenant_id, { ...none, tokens: 5_000 });
  const other = await engine.session(key.tenant_id);
  await ask(other, "Hello");
  const wakeUp = engine.queue.sent.splice(0)[0]?.wakeUp;
  await ask(key, "Hello");
  let working: Promise<void> = Promise.resolve();
  const table = pausedTable(engine.deps.table, "TransactWriteCommand", async () => {
    working = engine.work();
    await endless.spoken;
  });
  if (!wakeUp) throw new Error("no wake-up");
  await lookAtSession({ ...engine.deps, table }, wakeUp);
  const reached = (await engine.log(other)).find((row) => row.kind === "event" && row.type === "budget.reached");
  expect(reached).toMatchObject({ data: { scope: "tenant", unit: "tokens", limit: 5_000, used: 5_500 } });
  await interrupt(engine.deps, key, { user_id: key.user_id, request_id: null });
  await working;
});

test("killed after the turn was ended by a budget: the sweeper finds nothing to do, the queue stays", async () => {
  await start(() => says("Never."));
  await limitTenant(engine.deps, key.tenant_id, { ...none, tokens: 0 });
  await ask(key, "One");
  await ask(key, "Two");
  await engine.work();
  engine.clock.advance(600_000);
  await sweep(engine.deps);
  expect(engine.queue.sent).toEqual([]);
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "none", queue: [{}] });
});
