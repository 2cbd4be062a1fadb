import type { EntityItem } from "electrodb";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Sockets } from "../../ports/sockets.ts";
import { mayDo } from "../../ports/tokens.ts";
import type { Permission, Scope } from "../../protocol/permission.ts";
import type { SessionKey } from "../timeline/row.ts";
import { inBatches } from "./batch.ts";
import { raiseWatchVersion } from "./watch-version.ts";

export type Connection = EntityItem<Platform["entities"]["connection"]>;

export interface TableDeps {
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

/** Whether the connection's role, and the scopes of its key, give this permission. */
export function connectionMay({ role, key_id, scopes = [] }: Connection, permission: Permission): boolean {
  if (!role) return false;
  return mayDo({ role, ...(key_id ? { key: { id: key_id, scopes: scopes as Scope[] } } : {}) }, permission);
}

/** Ends what the connection may do. Null where it had ended already. */
export async function endConnection(table: Table, connectionId: string): Promise<Connection | null> {
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

/** Forgets a connection that is gone. Null where it was forgotten already. */
export async function removeConnection(table: Table, connectionId: string): Promise<Connection | null> {
  const connection = await endConnection(table, connectionId);
  if (connection?.holder === undefined) return connection;
  const { tenant_id, holder, connection_id } = connection;
  await rows(table).entities.tenantConnection.delete({ tenant_id, holder, connection_id }).go();
  return connection;
}

/**
 * False where the connection went away meanwhile: then nothing is left behind. The subscription is written first, so that
 * whoever ends the connection finds it named there.
 */
export async function subscribe(
  table: Table,
  connection: Connection,
  session_id: string,
  batched = false,
): Promise<boolean> {
  const { connection_id, tenant_id, expires_at } = connection;
  await rows(table).entities.subscription.upsert({ tenant_id, session_id, connection_id, expires_at, batched }).go();
  try {
    await rows(table)
      .entities.connection.patch({ connection_id })
      .add({ subscriptions: [session_id] })
      .go();
    await raiseWatchVersion(table, { tenant_id, session_id });
    return true;
  } catch (error) {
    if (!isConditionFailure(error)) throw error;
    await unsubscribe(table, { tenant_id, session_id }, connection_id);
    return false;
  }
}

export async function unsubscribe(table: Table, key: SessionKey, connectionId: string): Promise<void> {
  const { tenant_id, session_id } = key;
  await rows(table).entities.subscription.delete({ tenant_id, session_id, connection_id: connectionId }).go();
  await raiseWatchVersion(table, key);
}

/** Who watches a session, and whether it takes several events in one message. */
export interface Watcher {
  connectionId: string;
  batched: boolean;
}

export interface Subscription extends Watcher {
  /** Seconds. */
  expiresAt: number;
}

export const isWatching =
  (now: number) =>
  ({ expiresAt }: Subscription): boolean =>
    expiresAt * 1000 > now;

/** Who subscribed, in time or not. */
export async function readSubscriptions(table: Table, key: SessionKey): Promise<Subscription[]> {
  const { tenant_id, session_id } = key;
  const found = await rows(table)
    .entities.subscription.query.bySession({ tenant_id, session_id })
    .go({ pages: "all", consistent: true });
  return found.data.map(({ connection_id, batched = false, expires_at }) => ({
    connectionId: connection_id,
    batched,
    expiresAt: expires_at,
  }));
}

/** Who watches the session now: consistent, since who subscribed before a commit must learn of it. */
export async function subscribersOf(deps: TableDeps, key: SessionKey): Promise<Watcher[]> {
  const found = await readSubscriptions(deps.table, key);
  return found.filter(isWatching(deps.clock.now()));
}

/** Sends messages to each watcher in order; forgets the ones that are gone. A slow one is left to catch up by replay. */
export async function deliver(
  deps: { table: Table; sockets: Pick<Sockets, "post"> },
  key: SessionKey,
  watchers: Watcher[],
  messages: string[],
): Promise<void> {
  await Promise.all(
    watchers.map(async ({ connectionId, batched }) => {
      for (const message of batched ? inBatches(messages) : messages) {
        const delivered = await deps.sockets.post(connectionId, message);
        // What fits no message is on the log; what comes after it is told all the same.
        if (delivered === "sent" || delivered === "too_large") continue;
        if (delivered === "gone") await forget(deps.table, key, connectionId);
        return;
      }
    }),
  );
}

/** Its `$disconnect` was lost: what it watched, and its place among the tenant's sockets, are free again. */
async function forget(table: Table, key: SessionKey, connectionId: string): Promise<void> {
  await unsubscribe(table, key, connectionId);
  await removeConnection(table, connectionId);
}
