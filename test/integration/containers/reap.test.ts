import { randomUUID } from "node:crypto";
import { latestContainer, patchContainer } from "../../../shared/domain/container/container.ts";
import { ensureContainer } from "../../../shared/domain/container/ensure.ts";
import { openDoor } from "../../../shared/domain/container/want.ts";
import { reapOrphans, sweepOrphans } from "../../../shared/domain/container/reap.ts";
import { noticeTaskState } from "../../../shared/domain/container/task-state.ts";
import { poolTenant } from "../../../shared/domain/warm/warm.decisions.ts";
import type { RunningSandbox } from "../../../shared/ports/sandbox-provider.ts";
import { startSandboxEngine } from "../../security/sockets/sandbox-world.ts";
import { names, turnDriver } from "../../support/turn-driver.ts";
import type { Engine } from "../../support/engine.ts";

let engine: Engine;
let stopped: string[] = [];
let listings = 0;
const { linkUp } = turnDriver(() => engine);

beforeAll(async () => {
  engine = await startSandboxEngine();
});
beforeEach(() => {
  stopped = [];
  listings = 0;
  engine.queue.sent.length = 0;
});
afterAll(() => engine.stop());

const minutes = (count: number) => count * 60_000;

/** A task that was created so long ago. */
function task(of: Partial<RunningSandbox>, ageMs = minutes(10)): RunningSandbox {
  const createdAt = engine.clock.now() - ageMs;
  return { taskId: randomUUID(), tenantId: "ten_A", sessionId: randomUUID(), epoch: 1, createdAt, ...of };
}

function deps(...pages: RunningSandbox[][]) {
  const inventory = {
    async *running() {
      listings += 1;
      yield* pages;
    },
    stop: async (taskId: string) => void stopped.push(taskId),
  };
  return { ...engine.deps, inventory };
}

async function running() {
  const key = await engine.session();
  const container = await ensureContainer(engine.deps, key);
  const link = await linkUp(key);
  const of = { tenantId: key.tenant_id, sessionId: key.session_id, epoch: 1, taskId: container.task_id ?? "" };
  return { key, link, container, of };
}

test("what no row names is stopped, on every page; what is young, or named, is left alone", async () => {
  const { of } = await running();
  const [one, two, young] = [task({}), task({}), task({}, minutes(4))];
  expect(await reapOrphans(deps([one, task(of)], [young, two]))).toBe(2);
  expect(stopped.toSorted()).toEqual([one.taskId, two.taskId].toSorted());
});

test("a second task of an epoch, and one of an epoch that ended, are stopped; one whose launch was not answered is not", async () => {
  const { of } = await running();
  const second = task({ ...of, taskId: "another" });
  expect(await reapOrphans(deps([task(of), second]))).toBe(1);
  expect(stopped).toEqual(["another"]);
  await noticeTaskState(engine.deps, { taskArn: of.taskId, lastStatus: "STOPPED" });
  expect(await reapOrphans(deps([task(of)]))).toBe(0);
  engine.clock.advance(minutes(6));
  expect(await reapOrphans(deps([task(of)]))).toBe(1);
  const unanswered = await engine.session();
  engine.deps.provider = { ...engine.deps.provider, launch: async () => ({ kind: "no_capacity", message: "lost" }) };
  await ensureContainer(engine.deps, unanswered);
  engine.deps.provider = engine.sandbox.provider;
  const its = { tenantId: unanswered.tenant_id, sessionId: unanswered.session_id };
  expect(await reapOrphans(deps([task(its)]))).toBe(0);
});

test("a task whose container is silent has its session looked at, which tells who watches", async () => {
  const { of, key } = await running();
  engine.clock.advance(31_000);
  expect(await reapOrphans(deps([task(of)]))).toBe(0);
  await engine.work();
  expect(names(await engine.log(key))).toContain("container.lost");
  expect(stopped).toEqual([]);
  expect(engine.sandbox.stopped).toContain(of.taskId);
});

test("a session that rests learns of its dead sandbox by the disconnect, within a minute; a live one costs one look", async () => {
  const { key } = await running();
  engine.clock.advance(10_000);
  await engine.deps.queue.send({ tenant_id: key.tenant_id, session_id: key.session_id, hops: 0 }, 0);
  await engine.work();
  expect(names(await engine.log(key))).not.toContain("container.lost");
  expect(engine.queue.sent).toHaveLength(1);
  const started = engine.clock.now();
  await engine.work({ delayed: true });
  expect(names(await engine.log(key))).toContain("container.lost");
  expect(engine.clock.now() - started).toBeLessThan(30_000);
  expect((await latestContainer(engine.deps.table, key))?.status).toBe("lost");
  const alive = await running();
  await engine.deps.queue.send({ tenant_id: alive.key.tenant_id, session_id: alive.key.session_id, hops: 0 }, 0);
  await engine.work();
  expect(engine.queue.sent).toHaveLength(0);
});

test("a pooled task is the pool's while it answers, and nobody's when its row is gone", async () => {
  expect(await reapOrphans(deps([task({ tenantId: poolTenant })]))).toBe(1);
});

test("of a container that was replaced nothing is reached: the door leads to the newest, and each has keys of its own", async () => {
  const { key, of, container } = await running();
  const before = await openDoor(engine.deps, key);
  await noticeTaskState(engine.deps, { taskArn: of.taskId, lastStatus: "STOPPED" });
  expect(await openDoor(engine.deps, key)).toBeNull();
  const next = await ensureContainer(engine.deps, key);
  expect(await openDoor(engine.deps, key)).toBeNull();
  await linkUp(key);
  const after = await openDoor(engine.deps, key);
  expect(after?.controlKey).not.toBe(before?.controlKey);
  expect([next.epoch, next.preview_key === container.preview_key]).toEqual([2, false]);
});

test("the sweeper asks the provider each five minutes, not each one", async () => {
  for (let run = 0; run < 10; run += 1) {
    await sweepOrphans(deps([]));
    engine.clock.advance(minutes(1));
  }
  expect(listings).toBe(2);
});

test("a task's events, doubled and out of order, end its container once", async () => {
  const { of, key } = await running();
  const events = ["STOPPED", "RUNNING", "STOPPED", "PENDING", "STOPPED", "DEPROVISIONING"];
  await Promise.all(events.map((lastStatus) => noticeTaskState(engine.deps, { taskArn: of.taskId, lastStatus })));
  for (const lastStatus of events) await noticeTaskState(engine.deps, { taskArn: of.taskId, lastStatus });
  const told = names(await engine.log(key)).filter((name) => name === "container.lost");
  expect(told).toHaveLength(1);
  const next = await ensureContainer(engine.deps, key);
  for (const lastStatus of events) await noticeTaskState(engine.deps, { taskArn: of.taskId, lastStatus });
  expect(await latestContainer(engine.deps.table, key)).toMatchObject({ epoch: next.epoch, status: "starting" });
  expect(await patchContainer(engine.deps.table, next, ["lost"], {})).toBe(false);
});
