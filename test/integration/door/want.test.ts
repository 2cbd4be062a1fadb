import * as z from "zod";
import { lookAtSession } from "../../../shared/agent/look.ts";
import { latestContainer } from "../../../shared/domain/container/container.ts";
import { greet, markReady } from "../../../shared/domain/container/link.ts";
import { askSandbox, awaitDoor, openDoor, wantContainer } from "../../../shared/domain/container/want.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { doorOp } from "../../../shared/protocol/door.ts";
import { plansOf } from "../../../shared/config/plans.ts";
import { fakeDoor, recordedOutbound, scriptedModel } from "../../support/fakes.ts";
import { says, startEngine, type Engine } from "../../support/engine.ts";

let engine: Engine;
beforeEach(async () => {
  engine = await startEngine(scriptedModel([() => says("Done.")]));
});
afterEach(() => engine.stop());

const echo = doorOp("test.echo", z.object({ text: z.string() }), z.object({ text: z.string() }));
const conversationOf = (key: SessionKey) => readConversation(engine.deps.table, key);

async function comesUp(key: SessionKey, epoch = 1) {
  const link = { key, epoch, connectionId: `link-${epoch}` };
  await greet(engine.deps, link, { frame_id: "f1", private_ip: "127.0.0.9" });
  await markReady(engine.deps, link, { restored_commit: null, base_commit: null });
}

test("a wish starts a container without a turn, and is over once it is ready", async () => {
  const key = await engine.session();
  await wantContainer(engine.deps, key);
  expect(await conversationOf(key)).toMatchObject({ phase: "none", due_at: engine.clock.now() + 10_000 });
  await engine.work();
  expect(await latestContainer(engine.deps.table, key)).toMatchObject({ epoch: 1, status: "starting" });
  await comesUp(key);
  await lookAtSession(engine.deps, { tenant_id: key.tenant_id, session_id: key.session_id, hops: 1 });
  const rested = await conversationOf(key);
  expect(rested).toMatchObject({ phase: "none", status: "idle", epoch: 1 });
  expect(rested?.container_wanted_until).toBeUndefined();
  expect(rested?.due_at).toBeUndefined();
  expect(engine.sandbox.launched).toHaveLength(1);
  expect(await openDoor(engine.deps, key)).toMatchObject({ address: "127.0.0.9" });
});

test("a wish whose wake-up was lost is found by the sweeper", async () => {
  const key = await engine.session();
  await wantContainer(engine.deps, key);
  engine.queue.sent.splice(0);
  engine.clock.advance(11_000);
  await sweep({ ...engine.deps, outbound: recordedOutbound() } as Parameters<typeof sweep>[0]);
  await engine.work();
  expect(engine.sandbox.launched).toHaveLength(1);
});

test("a wish that nobody could serve lapses: the session is left alone", async () => {
  const key = await engine.session();
  const { provider } = engine.sandbox;
  engine.deps.provider = { ...provider, launch: async () => ({ kind: "no_capacity", message: "full" }) };
  await wantContainer(engine.deps, key);
  await engine.work({ delayed: true });
  const rested = await conversationOf(key);
  expect(rested?.container_wanted_until).toBeUndefined();
  expect(rested?.due_at).toBeUndefined();
});

test("who waits gets the door once it is ready, and asks through it with the container's own key", async () => {
  const key = await engine.session();
  const door = fakeDoor({ "test.echo": (body) => body });
  const asking = askSandbox({ ...engine.deps, door }, key, echo, { text: "hello" });
  for (let at = 0; engine.queue.sent.length === 0 && at < 1000; at += 1) await new Promise(setImmediate);
  await engine.work();
  await comesUp(key);
  expect(await asking).toEqual({ text: "hello" });
  const container = await latestContainer(engine.deps.table, key);
  expect(container?.control_key).toMatch(/^[\w-]{32,}$/);
  expect(container?.control_key).not.toBe(container?.preview_key);
  expect(door.asked).toEqual([{ address: "127.0.0.9", op: "test.echo", body: { text: "hello" } }]);
});

test("one that does not answer is asked after at once: where its task has stopped, the next one starts", async () => {
  const key = await engine.session();
  await wantContainer(engine.deps, key);
  await engine.work();
  await comesUp(key);
  await lookAtSession(engine.deps, { tenant_id: key.tenant_id, session_id: key.session_id, hops: 1 });
  engine.queue.sent.splice(0);
  const silent = { ...engine.deps, door: fakeDoor({}) };
  const asks = () => askSandbox(silent, key, echo, { text: "hello" });
  await expect(asks()).rejects.toMatchObject({ code: "sandbox_unavailable", retryAfterSeconds: 2 });
  await engine.work();
  // It runs, as far as the provider knows: its heartbeats tell more.
  expect(await latestContainer(engine.deps.table, key)).toMatchObject({ epoch: 1, status: "ready" });
  engine.deps.provider = { ...engine.sandbox.provider, describe: async () => "stopped" };
  await expect(asks()).rejects.toMatchObject({ code: "sandbox_unavailable", retryAfterSeconds: 2 });
  await engine.work();
  expect(await latestContainer(engine.deps.table, key)).toMatchObject({ epoch: 2, status: "starting" });
  await comesUp(key, 2);
  const door = fakeDoor({ "test.echo": (body) => body });
  expect(await askSandbox({ ...engine.deps, door }, key, echo, { text: "hello" })).toEqual({ text: "hello" });
});

test("who can not wait longer is told to come again; a second wish costs no second container", async () => {
  const key = await engine.session();
  const deps = { ...engine.deps, clock: { ...engine.clock, sleep: async (ms: number) => engine.clock.advance(ms) } };
  await expect(awaitDoor(deps, key, 1000)).rejects.toMatchObject({ code: "sandbox_starting", retryAfterSeconds: 2 });
  await engine.work();
  await expect(awaitDoor(deps, key, 1000)).rejects.toMatchObject({ code: "sandbox_starting" });
  await engine.work();
  expect(engine.sandbox.launched).toHaveLength(1);
});

test("a plan that allows no further sandbox is said, not waited out", async () => {
  const key = await engine.session();
  const strict = plansOf({ DEFAULT_PLAN: "unlimited" });
  engine.deps.plans = { ...strict, limitsOf: (plan) => ({ ...strict.limitsOf(plan), runningContainers: 0 }) };
  const asking = awaitDoor(engine.deps, key);
  for (let at = 0; engine.queue.sent.length === 0 && at < 1000; at += 1) await new Promise(setImmediate);
  await engine.work();
  await expect(asking).rejects.toMatchObject({ code: "quota_exceeded" });
  expect((await conversationOf(key))?.due_at).toBeUndefined();
});

test("an unknown session is not found", async () => {
  const unknown = { tenant_id: "ten_x", session_id: engine.deps.ids.uuid() };
  await expect(wantContainer(engine.deps, unknown)).rejects.toMatchObject({ code: "not_found" });
});
