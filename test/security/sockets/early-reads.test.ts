import { rows } from "../../../shared/data/service.ts";
import { readEarly, readFor } from "../../../shared/domain/container/early-reads.ts";
import { linkOf } from "../../../shared/domain/container/link.ts";
import { findConnection } from "../../../shared/domain/connection/connection.ts";
import type { Engine } from "../../support/engine.ts";
import { first, framed, sandboxWorld, startSandboxEngine } from "./sandbox-world.ts";

let engine: Engine;
beforeEach(async () => (engine = await startSandboxEngine()));
afterEach(() => engine.stop());

const { send, running, stored, watched } = sandboxWorld(() => engine);

/** A waiting sandbox's connection becomes a session's; so could any, where the platform says so. */
async function moveTo(connection_id: string, { tenant_id, session_id }: { tenant_id: string; session_id: string }) {
  await rows(engine.deps.table).entities.connection.patch({ connection_id }).set({ tenant_id, session_id }).go();
}

test("what was read early is of the session that the connection has now, or is read again", async () => {
  const [mine, other] = [await running("ten_A"), await running("ten_B")];
  const output = (of: typeof mine) => ({ ...framed("sandbox.tool_output", of), call_id: first(of).call_id });
  expect(await send(mine.connectionId, output(mine))).toBeUndefined();
  const [seenMine, seenOther] = [await watched(mine.key), await watched(other.key)];
  expect(await send(mine.connectionId, output(mine))).toBeUndefined();
  expect([seenMine(), seenOther()]).toEqual([1, 0]);

  await moveTo(mine.connectionId, other.key);
  const before = await stored();
  expect(await send(mine.connectionId, framed("sandbox.tool_completed", mine))).toMatchObject({
    error: { code: "conflict" },
  });
  expect(await stored()).toBe(before);
  expect(await send(mine.connectionId, output(other))).toBeUndefined();
  expect([seenMine(), seenOther()]).toEqual([1, 1]);
  expect(await send(mine.connectionId, framed("sandbox.tool_completed", other))).toMatchObject({ result: {} });
});

test("nothing is read early for a connection that this process does not know", async () => {
  const { connectionId } = await running();
  const { table } = engine.deps;
  expect(readEarly(table, connectionId, true)).toBeNull();
  const connection = await findConnection(engine.deps, connectionId);
  if (!connection) throw new Error("no connection");
  const link = linkOf(connection);
  expect(readFor(table, link, null)).toBeNull();
  const early = readEarly(table, connectionId, true);
  expect(readFor(table, link, early)).toBe(early);
  expect(await early?.container).toMatchObject({ epoch: 1 });
  expect(await early?.conversation).toMatchObject(link.key);
  expect(readFor(table, { ...link, epoch: 2 }, early)).toBeNull();
});
