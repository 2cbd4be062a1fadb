import { lookAtSession } from "../../../shared/agent/look.ts";
import { greet } from "../../../shared/domain/container/link.ts";
import { latestContainer } from "../../../shared/domain/container/container.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask } = turnDriver(() => engine);

async function waitingForItsSandbox() {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), () => says("Done.")]));
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  expect(await latestContainer(engine.deps.table, key)).toMatchObject({ epoch: 1, status: "starting" });
  return key;
}

const look = ({ tenant_id, session_id }: SessionKey) => lookAtSession(engine.deps, { tenant_id, session_id, hops: 0 });

test("a task that stopped before its id was stored is found out by the next look, not by the start limit", async () => {
  const key = await waitingForItsSandbox();
  engine.deps.provider = { ...engine.sandbox.provider, describe: async () => "stopped" };
  engine.clock.advance(16_000);
  await look(key);
  const log = await engine.log(key);
  expect(log.find((row) => row.kind === "event" && row.type === "container.lost")).toMatchObject({
    data: { epoch: 1, reason: "the task stopped before it was ready" },
  });
  expect(log.find((row) => row.kind === "event" && row.type === "tool.completed")).toMatchObject({
    data: { call_id: "t1", is_error: true },
  });
});

test("a sandbox that fell silent while it prepared its workspace is lost like any other", async () => {
  const key = await waitingForItsSandbox();
  const link = { key, epoch: 1, connectionId: "link-1" };
  await greet(engine.deps, link, { frame_id: "f1", private_ip: null });
  engine.clock.advance(31_000);
  await look(key);
  const log = await engine.log(key);
  expect(log.find((row) => row.kind === "event" && row.type === "container.lost")).toMatchObject({
    data: { epoch: 1, reason: "stopped answering" },
  });
});

test("a task that was forgotten while it started is lost", async () => {
  const key = await waitingForItsSandbox();
  engine.deps.provider = { ...engine.sandbox.provider, describe: async () => "unknown" };
  engine.clock.advance(16_000);
  await look(key);
  const log = await engine.log(key);
  expect(log.find((row) => row.kind === "event" && row.type === "container.lost")).toMatchObject({
    data: { epoch: 1, reason: "the task stopped before it was ready" },
  });
});

test("a task that still starts, or that nobody can say anything about, is waited for", async () => {
  const key = await waitingForItsSandbox();
  const starting = async () => "starting" as const;
  const silent = async () => Promise.reject(new Error("no answer"));
  for (const describe of [starting, silent]) {
    engine.deps.provider = { ...engine.sandbox.provider, describe };
    engine.clock.advance(16_000);
    await look(key);
  }
  expect(await latestContainer(engine.deps.table, key)).toMatchObject({ epoch: 1, status: "starting" });
});
