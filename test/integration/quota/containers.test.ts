import fc from "fast-check";
import { plansOf } from "../../../shared/config/plans.ts";
import { rows } from "../../../shared/data/service.ts";
import {
  type Container,
  latestContainer,
  loseContainer,
  stopContainer,
} from "../../../shared/domain/container/container.ts";
import { ensureContainer } from "../../../shared/domain/container/ensure.ts";
import { hasNotEnded } from "../../../shared/domain/container/container.decisions.ts";
import { changePlan, planLifeMs } from "../../../shared/domain/quota/plan.ts";
import { readQuota } from "../../../shared/domain/quota/quota.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { type Engine, says, startEngine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await startEngine(scriptedModel([() => says("Hello.")]));
  engine.deps.plans = plansOf({ DEFAULT_PLAN: "trial" });
});
afterAll(() => engine.stop());
const { linkUp } = turnDriver(() => engine);

const allowed = 2;
const isFull = { code: "quota_exceeded" };

async function newTenant(): Promise<{ tenant_id: string; sessions: SessionKey[] }> {
  const first = await engine.session();
  const { tenant_id } = first;
  await rows(engine.deps.table).entities.tenant.create({ tenant_id, name: "T", created_at: 1, owners: 1 }).go();
  const rest = [await engine.session(tenant_id), await engine.session(tenant_id), await engine.session(tenant_id)];
  return { tenant_id, sessions: [first, ...rest] };
}

const usedBy = (tenant_id: string) => readQuota(engine.deps.table, tenant_id, "runningContainers");
const newest = (key: SessionKey) => latestContainer(engine.deps.table, key);
const sandboxRows = async ({ tenant_id, session_id }: SessionKey) =>
  (await rows(engine.deps.table).entities.sandboxUsage.query.bySession({ tenant_id, session_id }).go()).data;

test("a tenant runs as many as its plan allows; one that stops makes room", async () => {
  const { tenant_id, sessions } = await newTenant();
  const [one, two, three] = sessions as [SessionKey, SessionKey, SessionKey];
  const first = await ensureContainer(engine.deps, one);
  await ensureContainer(engine.deps, two);
  await expect(ensureContainer(engine.deps, three)).rejects.toMatchObject(isFull);
  expect(await newest(three)).toBeNull();
  expect((await ensureContainer(engine.deps, one)).epoch).toBe(first.epoch);
  await stopContainer(engine.deps, first, "idle");
  expect((await ensureContainer(engine.deps, three)).status).toBe("starting");
  expect(await usedBy(tenant_id)).toBe(2);
});

test("of many sessions at once, exactly as many start as the plan allows", async () => {
  const { tenant_id, sessions } = await newTenant();
  const outcomes = await Promise.allSettled(sessions.map((key) => ensureContainer(engine.deps, key)));
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(allowed);
  expect(await usedBy(tenant_id)).toBe(allowed);
});

test("a container that died without a word holds its place only until another session wants it", async () => {
  const { tenant_id, sessions } = await newTenant();
  const [one, two, three] = sessions as [SessionKey, SessionKey, SessionKey];
  await ensureContainer(engine.deps, one);
  await linkUp(one);
  await ensureContainer(engine.deps, two);
  engine.clock.advance(31_000);
  expect((await ensureContainer(engine.deps, three)).status).toBe("starting");
  expect(await newest(one)).toMatchObject({ status: "lost" });
  expect(await newest(two)).toMatchObject({ status: "starting" });
  expect(await usedBy(tenant_id)).toBe(allowed);
});

test("seconds are written down once, however many notice the end", async () => {
  const { sessions } = await newTenant();
  const [key] = sessions as [SessionKey];
  const container = await ensureContainer(engine.deps, key);
  engine.clock.advance(20_000);
  await linkUp(key);
  engine.clock.advance(12_345);
  const ends = [1, 2, 3].flatMap((time) => [
    stopContainer(engine.deps, container, `stop ${time}`),
    loseContainer(engine.deps, container, `loss ${time}`),
  ]);
  const conversations = await Promise.all(ends);
  expect(conversations.filter((one) => one !== null)).toHaveLength(1);
  const [row, ...more] = await sandboxRows(key);
  expect(more).toEqual([]);
  const ended = await newest(key);
  expect(row).toMatchObject({ epoch: 1, seconds: ended?.status === "stopped" ? 13 : 0 });
});

test("its place in the plan is given back once, also where it never was ready", async () => {
  const { tenant_id, sessions } = await newTenant();
  const [key, other] = sessions as [SessionKey, SessionKey];
  const container = await ensureContainer(engine.deps, key);
  await ensureContainer(engine.deps, other);
  const ends = Array.from({ length: 5 }, () => loseContainer(engine.deps, container, "did not start"));
  expect((await Promise.all(ends)).filter((one) => one !== null)).toHaveLength(1);
  expect(await usedBy(tenant_id)).toBe(1);
});

test("one that becomes ready while it is given up is metered as what it was", async () => {
  const { sessions } = await newTenant();
  const [key] = sessions as [SessionKey];
  const starting = await ensureContainer(engine.deps, key);
  await linkUp(key);
  engine.clock.advance(5_000);
  await stopContainer(engine.deps, starting, "given up");
  expect(await sandboxRows(key)).toMatchObject([{ seconds: 5 }]);
});

test("a lost one is paid until it was last heard of; one that never was ready costs nothing", async () => {
  const { sessions } = await newTenant();
  const [one, two] = sessions as [SessionKey, SessionKey];
  const heard = await ensureContainer(engine.deps, one);
  await linkUp(one);
  const silent = await ensureContainer(engine.deps, two);
  engine.clock.advance(60_000);
  await loseContainer(engine.deps, heard, "stopped answering");
  await loseContainer(engine.deps, silent, "did not start");
  expect(await sandboxRows(one)).toMatchObject([{ seconds: 0 }]);
  expect(await sandboxRows(two)).toEqual([]);
});

const moves = fc.array(
  fc.record({
    move: fc.constantFrom("start", "ready", "stop", "lose", "wait", "trial", "unlimited", "rush"),
    session: fc.nat({ max: 3 }),
    waitMs: fc.integer({ min: 1, max: 40_000 }),
  }),
  { minLength: 3, maxLength: 20 },
);

/** What a platform does to a tenant's containers; refusals are part of it. */
async function make(move: string, key: SessionKey, sessions: SessionKey[], waitMs: number): Promise<void> {
  const { tenant_id } = key;
  const container = await newest(key);
  const expected = (error: unknown) => {
    if ((error as { code?: string }).code !== isFull.code) throw error;
  };
  if (move === "start") await ensureContainer(engine.deps, key).catch(expected);
  if (move === "rush") await Promise.all(sessions.map((one) => ensureContainer(engine.deps, one).catch(expected)));
  if (move === "ready" && container && hasNotEnded(container)) await linkUp(key);
  if (move === "stop" && container) await stopContainer(engine.deps, container, "stop");
  if (move === "lose" && container) await loseContainer(engine.deps, container, "lose");
  if (move === "wait") engine.clock.advance(waitMs);
  if (move === "trial" || move === "unlimited") {
    await changePlan(engine.deps.table, tenant_id, move);
    engine.clock.advance(planLifeMs);
  }
}

async function containersOf(key: SessionKey): Promise<Container[]> {
  const { tenant_id, session_id } = key;
  const found = await rows(engine.deps.table)
    .entities.container.query.byEpoch({ tenant_id, session_id })
    .go({ pages: "all" });
  return found.data;
}

test("the counter is what the rows say, whatever happens and however the plan changes", async () => {
  await fc.assert(
    fc.asyncProperty(moves, async (list) => {
      const { tenant_id, sessions } = await newTenant();
      for (const { move, session, waitMs } of list) {
        await make(move, sessions[session] as SessionKey, sessions, waitMs);
        const containers = (await Promise.all(sessions.map(containersOf))).flat();
        const counted = containers.filter(({ counted_by }) => counted_by !== undefined);
        expect(counted.every(hasNotEnded)).toBe(true);
        expect(counted.length).toBeLessThanOrEqual(allowed);
        expect(await usedBy(tenant_id)).toBe(counted.length);
      }
      const ledger = (await Promise.all(sessions.map(sandboxRows))).flat();
      const ended = (await Promise.all(sessions.map(containersOf))).flat().filter((one) => !hasNotEnded(one));
      const ran = ended.filter(({ ready_at }) => ready_at !== undefined);
      expect(ledger.map(({ session_id, epoch }) => `${session_id} ${epoch}`).toSorted()).toEqual(
        ran.map(({ session_id, epoch }) => `${session_id} ${epoch}`).toSorted(),
      );
    }),
    { numRuns: 20 },
  );
}, 120_000);
