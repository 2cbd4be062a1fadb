import { randomUUID } from "node:crypto";
import { rows } from "../../../shared/data/service.ts";
import { latestContainer, loseContainer, redeemBootSecret } from "../../../shared/domain/container/container.ts";
import { ensureContainer } from "../../../shared/domain/container/ensure.ts";
import { reapOrphans } from "../../../shared/domain/container/reap.ts";
import { poolEpoch, poolKey, poolTenant } from "../../../shared/domain/warm/warm.decisions.ts";
import { refill } from "../../../shared/domain/warm/refill.ts";
import { listWarm } from "../../../shared/domain/warm/warm.ts";
import { sandboxFrameTypes } from "../../../shared/protocol/sandbox-frame.ts";
import { lookAtSession } from "../../../shared/agent/look.ts";
import { sandboxWorld, startSandboxEngine } from "../../security/sockets/sandbox-world.ts";
import type { Engine } from "../../support/engine.ts";

let engine: Engine;
const world = sandboxWorld(() => engine);
let refills = 0;

beforeAll(async () => {
  engine = await startSandboxEngine();
});
beforeEach(async () => {
  refills = 0;
  engine.deps.warm = { wanted: 1, refill: async () => void (refills += 1) };
  for (const { pool_id } of await listWarm(engine.deps.table))
    await rows(engine.deps.table).entities.warmSandbox.remove({ pool_id }).go();
  for (const list of [engine.sandbox.launched, engine.sandbox.stopped]) list.length = 0;
});
afterAll(() => engine.stop());

const hello = { type: "sandbox.hello", frame_id: "h", version: "1", private_ip: null };
const heartbeat = { type: "sandbox.heartbeat", frame_id: "b" };
const posted = (id: string) => (engine.sockets.posted.get(id) ?? []) as Record<string, unknown>[];
const adoptions = (id: string) => posted(id).filter(({ type }) => type === "adopt");

/** A sandbox that was launched for the pool, redeemed its secret and said hello. */
async function warmUp() {
  const known = (await listWarm(engine.deps.table)).map(({ pool_id }) => pool_id);
  await refill(engine.deps, known.length + 1);
  const warm = (await listWarm(engine.deps.table)).find(({ pool_id }) => !known.includes(pool_id));
  const pool_id = warm?.pool_id ?? "";
  await redeemBootSecret(engine.deps, { tenant_id: poolTenant, session_id: pool_id }, poolEpoch);
  const link = await world.link({ tenant_id: poolTenant, session_id: pool_id }, poolEpoch);
  await world.send(link, hello);
  return { pool_id, link, taskId: `task-${pool_id}-1` };
}

test("a claim makes a waiting sandbox the container's own: no other launch, one adoption, and no second one", async () => {
  const warm = await warmUp();
  const [one, two] = [await engine.session(), await engine.session()];
  const container = await ensureContainer(engine.deps, one);
  expect(container.task_id).toBe(warm.taskId);
  expect(adoptions(warm.link)).toEqual([
    {
      type: "adopt",
      tenant_id: one.tenant_id,
      session_id: one.session_id,
      epoch: 1,
      boot_secret: `boot-${one.session_id}-1`,
    },
  ]);
  expect((await ensureContainer(engine.deps, two)).task_id).toBe(`task-${two.session_id}-1`);
  expect(adoptions(warm.link)).toHaveLength(1);
  expect(refills).toBe(2);
  expect(engine.sandbox.launched.map(({ tenantId }) => tenantId)).toEqual([poolTenant, two.tenant_id]);
});

test("ten sessions at once and one waiting sandbox: one has it", async () => {
  const warm = await warmUp();
  const sessions = await Promise.all(Array.from({ length: 10 }, () => engine.session()));
  const tasks = (await Promise.all(sessions.map((key) => ensureContainer(engine.deps, key)))).map(
    ({ task_id }) => task_id,
  );
  expect(tasks.filter((task) => task === warm.taskId)).toHaveLength(1);
  expect(new Set(tasks).size).toBe(10);
});

test("a session that asks for another size gets none", async () => {
  await warmUp();
  const key = await engine.session();
  const { tenant_id, session_id } = key;
  const { provider } = engine.deps;
  engine.deps.provider = { ...provider, capabilities: { networkPolicies: ["open"], sizes: ["large"] } };
  await rows(engine.deps.table)
    .entities.session.patch({ tenant_id, session_id })
    .set({ sbx_config: '{"size":"large"}' })
    .go();
  expect((await ensureContainer(engine.deps, key)).task_id).toBe(`task-${session_id}-1`);
  expect(engine.sandbox.launched.at(-1)).toMatchObject({ size: "large" });
  engine.deps.provider = provider;
});

test("one that has gone, or was not heard of, is passed over within the same start", async () => {
  const warm = await warmUp();
  engine.sockets.fate.set(warm.link, "gone");
  const key = await engine.session();
  expect((await ensureContainer(engine.deps, key)).task_id).toBe(`task-${key.session_id}-1`);
  expect((await latestContainer(engine.deps.table, key))?.task_id).toBe(`task-${key.session_id}-1`);
  await warmUp();
  engine.clock.advance(20_000);
  const other = await engine.session();
  expect((await ensureContainer(engine.deps, other)).task_id).toBe(`task-${other.session_id}-1`);
});

test("who claimed it died before it was told: its next heartbeat is answered by the adoption", async () => {
  const warm = await warmUp();
  const key = await engine.session();
  const post = engine.deps.sockets.post;
  engine.deps.sockets.post = async () => "sent";
  await ensureContainer(engine.deps, key);
  engine.deps.sockets.post = post;
  expect(adoptions(warm.link)).toHaveLength(0);
  await world.send(warm.link, heartbeat);
  expect(adoptions(warm.link)).toMatchObject([{ session_id: key.session_id, epoch: 1 }]);
  await redeemBootSecret(engine.deps, key, 1);
  await world.send(warm.link, heartbeat);
  expect(adoptions(warm.link)).toHaveLength(1);
  expect(posted(warm.link).at(-2)).toMatchObject({ type: "stop" });
});

test("a waiting sandbox may say hello, that it lives, and renew its token; nothing else, of nobody", async () => {
  const warm = await warmUp();
  const victim = await world.running();
  const stored = await world.stored();
  for (const type of sandboxFrameTypes) {
    if (["sandbox.hello", "sandbox.heartbeat", "sandbox.renew_token"].includes(type)) continue;
    const answer = await world.send(warm.link, { type, frame_id: "x", call_id: victim.runs[0]?.call_id });
    expect([type, answer?.error?.code]).toEqual([type, "forbidden"]);
  }
  expect(await world.stored()).toBe(stored);
  expect((await world.send(warm.link, { type: "sandbox.renew_token", frame_id: "n" }))?.result).toMatchObject({
    token: "a token",
  });
});

test("the reaper knows whose it is: the pool's, then its session's, then nobody's", async () => {
  const warm = await warmUp();
  const createdAt = engine.clock.now() - 60 * 60_000;
  const task = { taskId: warm.taskId, tenantId: poolTenant, sessionId: warm.pool_id, epoch: poolEpoch, createdAt };
  const stopped: string[] = [];
  const inventory = {
    async *running() {
      yield [task];
    },
    stop: async (taskId: string) => void stopped.push(taskId),
  };
  expect(await reapOrphans({ ...engine.deps, inventory })).toBe(0);
  const key = await engine.session();
  const container = await ensureContainer(engine.deps, key);
  expect(await reapOrphans({ ...engine.deps, inventory })).toBe(0);
  await loseContainer(engine.deps, container, "it is over");
  engine.clock.advance(6 * 60_000);
  expect(await reapOrphans({ ...engine.deps, inventory })).toBe(1);
  expect(stopped).toEqual([warm.taskId]);
});

test("its boot secret is good once, and not after it was given away", async () => {
  const warm = await warmUp();
  const key = { tenant_id: poolTenant, session_id: warm.pool_id };
  await expect(redeemBootSecret(engine.deps, key, poolEpoch)).rejects.toMatchObject({ code: "unauthenticated" });
  const unknown = { tenant_id: poolTenant, session_id: randomUUID() };
  await expect(redeemBootSecret(engine.deps, unknown, poolEpoch)).rejects.toMatchObject({ code: "unauthenticated" });
});

test("one that nobody launched any more is told to stop", async () => {
  const link = await world.link({ tenant_id: poolTenant, session_id: randomUUID() }, poolEpoch);
  expect((await world.send(link, hello))?.error?.code).toBe("conflict");
  expect(posted(link)).toContainEqual(expect.objectContaining({ type: "stop" }));
});

test("the pool is refilled, its dead are retired, and what is too many goes", async () => {
  const wakeUp = { ...poolKey, hops: 0 };
  await lookAtSession(engine.deps, wakeUp);
  await lookAtSession(engine.deps, wakeUp);
  expect(engine.sandbox.launched).toHaveLength(1);
  engine.clock.advance(200_000);
  await lookAtSession(engine.deps, wakeUp);
  expect(engine.sandbox.launched).toHaveLength(2);
  expect(engine.sandbox.stopped).toEqual([`task-${engine.sandbox.launched[0]?.sessionId}-1`]);
  engine.deps.warm = undefined;
  await lookAtSession(engine.deps, wakeUp);
  expect(await listWarm(engine.deps.table)).toEqual([]);
  expect(engine.sandbox.stopped).toHaveLength(2);
});
