import { rows } from "../../../shared/data/service.ts";
import { findConnection } from "../../../shared/domain/connection/connection.ts";
import { ensureContainer, latestContainer, redeemBootSecret } from "../../../shared/domain/container/container.ts";
import { poolEpoch, poolTenant } from "../../../shared/domain/warm/warm.decisions.ts";
import { refill } from "../../../shared/domain/warm/refill.ts";
import { listWarm } from "../../../shared/domain/warm/warm.ts";
import { sandboxWorld, startSandboxEngine } from "../../security/sockets/sandbox-world.ts";
import type { Engine } from "../../support/engine.ts";

let engine: Engine;
const world = sandboxWorld(() => engine);

beforeAll(async () => {
  engine = await startSandboxEngine();
  engine.deps.warm = { wanted: 1, refill: async () => undefined };
});
beforeEach(async () => {
  for (const { pool_id } of await listWarm(engine.deps.table))
    await rows(engine.deps.table).entities.warmSandbox.remove({ pool_id }).go();
});
afterAll(() => engine.stop());

const hello = { type: "sandbox.hello", frame_id: "h", version: "1", private_ip: null };
const nobodysBeat = { type: "sandbox.heartbeat", frame_id: "b", is_nobodys: true };
const posted = (id: string) => (engine.sockets.posted.get(id) ?? []) as Record<string, unknown>[];
const of = (id: string, type: string) => posted(id).filter((command) => command["type"] === type);

/** One that waits, and can go on on its link. */
async function warmUp() {
  await refill(engine.deps, 1);
  const pool_id = (await listWarm(engine.deps.table))[0]?.pool_id ?? "";
  await redeemBootSecret(engine.deps, { tenant_id: poolTenant, session_id: pool_id }, poolEpoch);
  const link = await world.link({ tenant_id: poolTenant, session_id: pool_id }, poolEpoch);
  await world.send(link, { ...hello, adopts_in_place: true });
  return { pool_id, link, taskId: `task-${pool_id}-1` };
}

/** Its claim is committed, and the word of it is lost. */
async function claimedUnheard() {
  const warm = await warmUp();
  const key = await engine.session();
  const { post } = engine.deps.sockets;
  engine.deps.sockets.post = async () => "sent";
  await ensureContainer(engine.deps, key);
  engine.deps.sockets.post = post;
  expect(of(warm.link, "adopt")).toEqual([]);
  return { ...warm, key };
}

test("the claim makes its link the session's: its next hello is answered by the session's welcome", async () => {
  const warm = await warmUp();
  const key = await engine.session();
  expect((await ensureContainer(engine.deps, key)).task_id).toBe(warm.taskId);
  const { tenant_id, session_id } = key;
  const whose = { tenant_id, session_id, epoch: 1 };
  expect(of(warm.link, "adopt")).toMatchObject([{ ...whose, in_place: true }]);
  expect(await findConnection(engine.deps, warm.link)).toMatchObject({ ...whose, kind: "sandbox" });
  expect((await world.send(warm.link, hello))?.error).toBeUndefined();
  expect(of(warm.link, "welcome").at(-1)).toMatchObject({ session_id, epoch: 1, configurable: true });
  await world.send(warm.link, { type: "sandbox.ready", frame_id: "r", restored_commit: null, base_commit: null });
  expect(await latestContainer(engine.deps.table, key)).toMatchObject({ status: "ready", connection_id: warm.link });
});

test("the word of it was lost: the heartbeat of one that is nobody's is answered by the adoption, and nothing else is", async () => {
  const { link, key } = await claimedUnheard();
  await world.send(link, { type: "sandbox.heartbeat", frame_id: "b" });
  expect(of(link, "adopt")).toEqual([]);
  await world.send(link, nobodysBeat);
  expect(of(link, "adopt")).toMatchObject([{ session_id: key.session_id, epoch: 1, in_place: true }]);
});

test("another task has its place by then: it is told to stop", async () => {
  const { link, key } = await claimedUnheard();
  const { tenant_id, session_id } = key;
  const { container } = rows(engine.deps.table).entities;
  await container.patch({ tenant_id, session_id, epoch: 1 }).set({ task_id: "another" }).go();
  await world.send(link, nobodysBeat);
  expect(of(link, "adopt")).toEqual([]);
  expect(of(link, "stop")).toHaveLength(1);
});

test("its link was cut meanwhile: it links with its own token, is nobody's there, and redeems the session's secret", async () => {
  const { pool_id, link, key } = await claimedUnheard();
  engine.sockets.fate.set(link, "gone");
  const anew = await world.link({ tenant_id: poolTenant, session_id: pool_id }, poolEpoch);
  await world.send(anew, { ...hello, adopts_in_place: true });
  expect(of(anew, "adopt")).toMatchObject([{ session_id: key.session_id, epoch: 1 }]);
  expect(of(anew, "adopt")[0]).not.toHaveProperty("in_place");
  expect(await findConnection(engine.deps, anew)).toMatchObject({ tenant_id: poolTenant });
  await redeemBootSecret(engine.deps, key, 1);
});

test("a link that ended before the claim claims nothing", async () => {
  const warm = await warmUp();
  await rows(engine.deps.table).entities.connection.delete({ connection_id: warm.link }).go();
  const key = await engine.session();
  expect((await ensureContainer(engine.deps, key)).task_id).toBe(`task-${key.session_id}-1`);
  expect(of(warm.link, "adopt")).toEqual([]);
  expect(await findConnection(engine.deps, warm.link)).toBeNull();
});

test("a session's own sandbox that calls itself nobody's is taken for what its link is", async () => {
  const running = await world.running();
  const stops = () => of(running.connectionId, "stop").length + of(running.connectionId, "adopt").length;
  expect((await world.send(running.connectionId, nobodysBeat))?.error).toBeUndefined();
  expect(stops()).toBe(0);
});
