import { rows } from "../../../shared/data/service.ts";
import { findConnection } from "../../../shared/domain/connection/connection.ts";
import { latestContainer, redeemBootSecret } from "../../../shared/domain/container/container.ts";
import { ensureContainer } from "../../../shared/domain/container/ensure.ts";
import type { SessionRow } from "../../../shared/domain/session/session-row.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { readTimeline } from "../../../shared/domain/timeline/timeline.ts";
import { poolEpoch, poolTenant } from "../../../shared/domain/warm/warm.decisions.ts";
import { refill } from "../../../shared/domain/warm/refill.ts";
import { listWarm } from "../../../shared/domain/warm/warm.ts";
import { sandboxWorld, startSandboxEngine } from "../../security/sockets/sandbox-world.ts";
import type { Engine } from "../../support/engine.ts";

let engine: Engine;
const world = sandboxWorld(() => engine);

beforeAll(async () => {
  engine = await startSandboxEngine();
  engine.deps.warm = { wanted: 1, refill: async () => undefined, defaultNetwork: "none" };
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
async function warmUp(more: Record<string, unknown> = {}) {
  await refill(engine.deps, 1);
  const starting = (await listWarm(engine.deps.table)).find(({ status }) => status === "starting");
  const pool_id = starting?.pool_id ?? "";
  await redeemBootSecret(engine.deps, { tenant_id: poolTenant, session_id: pool_id }, poolEpoch);
  const link = await world.link({ tenant_id: poolTenant, session_id: pool_id }, poolEpoch);
  await world.send(link, { ...hello, adopts_in_place: true, ...more });
  return { pool_id, link, taskId: `task-${pool_id}-1` };
}

/** Its claim is committed, and the word of it is lost. */
async function claimedUnheard(more: Record<string, unknown> = {}) {
  const warm = await warmUp(more);
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

const prepared = { is_prepared: true, private_ip: "10.0.0.7" };
const logOf = async (key: SessionKey) => {
  const { rows: log } = await readTimeline(engine.deps, key, { after: 0, limit: 20 });
  return log.flatMap((row) => (row.kind === "event" && row.type.startsWith("container.") ? [row.type] : []));
};

test("a prepared one is ready by its claim where the workspace begins empty: it gets all that it would ask for", async () => {
  const warm = await warmUp(prepared);
  const key = await engine.session();
  const container = await ensureContainer(engine.deps, key);
  const ready = { status: "ready", task_id: warm.taskId, connection_id: warm.link, private_ip: "10.0.0.7" };
  expect(container).toMatchObject(ready);
  expect(await latestContainer(engine.deps.table, key)).toMatchObject(ready);
  expect(await logOf(key)).toEqual(["container.starting", "container.ready"]);
  const network = { policy: "none", allow: [] };
  const welcome = {
    session_id: key.session_id,
    epoch: 1,
    source: { repo_url: null, commit: null, pack_urls: [], is_first: true },
    preview_key: container.preview_key,
    control_key: container.control_key,
    configuration: { network, setup: [], environment: {} },
  };
  expect(of(warm.link, "adopt")).toMatchObject([{ in_place: true, welcome }]);
  expect((await world.send(warm.link, { type: "sandbox.heartbeat", frame_id: "b" }))?.error).toBeUndefined();
  expect(of(warm.link, "stop")).toEqual([]);
});

test("what has to be fetched or opened does not come with the adoption", async () => {
  const { session } = rows(engine.deps.table).entities;
  const ofSession = async (columns: { repo_url?: string; sbx_config?: string }) => {
    const warm = await warmUp(prepared);
    const { tenant_id, session_id } = await engine.session();
    const { data: row } = await session.remove({ tenant_id, session_id }).go({ response: "all_old" });
    await session.create({ ...(row as SessionRow), ...columns }).go();
    const { status } = await ensureContainer(engine.deps, { tenant_id, session_id });
    return { status, adopt: of(warm.link, "adopt")[0] };
  };
  const withRepository = await ofSession({ repo_url: "https://git.example.com/a/b.git" });
  expect(withRepository.status).toBe("starting");
  expect(withRepository.adopt).not.toHaveProperty("welcome");
  const withSecret = await ofSession({ sbx_config: '{"environment":{"A":{"secret":"B"}}}' });
  expect(withSecret.status).toBe("ready");
  expect(withSecret.adopt).toHaveProperty("welcome.configurable", true);
  expect(withSecret.adopt).not.toHaveProperty("welcome.configuration");
});

test("a later container of the session begins with its checkpoint, not empty", async () => {
  const key = await engine.session();
  const { tenant_id, session_id } = key;
  await rows(engine.deps.table).entities.conversation.patch({ tenant_id, session_id }).set({ checkpoint_seq: 4 }).go();
  const warm = await warmUp(prepared);
  expect((await ensureContainer(engine.deps, key)).status).toBe("starting");
  expect(of(warm.link, "adopt")[0]).not.toHaveProperty("welcome");
});

test("the word to a prepared one was lost: it is adopted again, says hello, and is ready once", async () => {
  const { link, key } = await claimedUnheard(prepared);
  await world.send(link, nobodysBeat);
  expect(of(link, "adopt")).toMatchObject([{ session_id: key.session_id, in_place: true }]);
  await world.send(link, hello);
  expect(of(link, "welcome").at(-1)).toMatchObject({ session_id: key.session_id, source: { repo_url: null } });
  await world.send(link, { type: "sandbox.ready", frame_id: "r", restored_commit: null, base_commit: null });
  expect(await logOf(key)).toEqual(["container.starting", "container.ready"]);
});

test("the link of a prepared one was cut unheard: it redeems the session's secret, once", async () => {
  const { key } = await claimedUnheard(prepared);
  await redeemBootSecret(engine.deps, key, 1);
  await expect(redeemBootSecret(engine.deps, key, 1)).rejects.toMatchObject({ code: "unauthenticated" });
});

test("a prepared one that went as it was claimed is lost, and the next epoch has a task of its own", async () => {
  const warm = await warmUp(prepared);
  engine.sockets.fate.set(warm.link, "gone");
  const key = await engine.session();
  const container = await ensureContainer(engine.deps, key);
  expect(container).toMatchObject({ epoch: 2, status: "starting", task_id: `task-${key.session_id}-2` });
  expect(await logOf(key)).toEqual(["container.starting", "container.ready", "container.lost", "container.starting"]);
});
