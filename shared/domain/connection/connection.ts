import type { EntityItem } from "electrodb";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Sockets } from "../../ports/sockets.ts";
import type { SessionKey } from "../timeline/row.ts";

export type Connection = EntityItem<Platform["entities"]["connection"]>;

interface TableDeps {
  table: Table;
  clock: Pick<Clock, "now">;
}

/** The live connection with this id; null where it is unknown or over its time (a late TTL row does not count). */
export async function findConnection(deps: TableDeps, connectionId: string): Promise<Connection | null> {
  const found = await rows(deps.table)
    .entities.connection.get({ connection_id: connectionId })
    .go({ consistent: true });
  if (!found.data || found.data.expires_at * 1000 <= deps.clock.now()) return null;
  return found.data;
}

/** Null where it was gone already. */
export async function removeConnection(table: Table, connectionId: string): Promise<Connection | null> {
  const removed = await rows(table)
    .entities.connection.delete({ connection_id: connectionId })
    .go({ response: "all_old" });
  const connection = removed.data as Connection | null;
  if (!connection) return null;
  const watched = [...(connection.subscriptions ?? [])];
  await Promise.all(
    watched.map((session_id) => unsubscribe(table, { tenant_id: connection.tenant_id, session_id }, connectionId)),
  );
  return connection;
}

/** False where the connection went away meanwhile: then nothing is left behind. */
export async function subscribe(table: Table, connection: Connection, session_id: string): Promise<boolean> {
  const { connection_id, tenant_id, expires_at } = connection;
  try {
    await rows(table)
      .entities.connection.patch({ connection_id })
      .add({ subscriptions: [session_id] })
      .go();
  } catch (error) {
    if (isConditionFailure(error)) return false;
    throw error;
  }
  await rows(table).entities.subscription.upsert({ tenant_id, session_id, connection_id, expires_at }).go();
  return true;
}

export async function unsubscribe(table: Table, key: SessionKey, connectionId: string): Promise<void> {
  const { tenant_id, session_id } = key;
  await rows(table).entities.subscription.delete({ tenant_id, session_id, connection_id: connectionId }).go();
}

/** Who watches the session now: consistent, since who subscribed before a commit must learn of it. */
export async function subscribersOf(deps: TableDeps, key: SessionKey): Promise<string[]> {
  const { tenant_id, session_id } = key;
  const found = await rows(deps.table)
    .entities.subscription.query.bySession({ tenant_id, session_id })
    .go({ pages: "all", consistent: true });
  const now = deps.clock.now();
  return found.data.filter((row) => row.expires_at * 1000 > now).map((row) => row.connection_id);
}

/** Sends messages to each connection in order; forgets the ones that are gone. A slow one is left to catch up by replay. */
export async function deliver(
  deps: { table: Table; sockets: Pick<Sockets, "post"> },
  key: SessionKey,
  connectionIds: string[],
  messages: string[],
): Promise<void> {
  await Promise.all(
    connectionIds.map(async (connectionId) => {
      for (const message of messages) {
        const delivered = await deps.sockets.post(connectionId, message);
        if (delivered === "sent") continue;
        if (delivered === "gone") await unsubscribe(deps.table, key, connectionId);
        return;
      }
    }),
  );
}
