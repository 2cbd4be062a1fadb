import type { Table } from "../../data/service.ts";
import type { SessionKey } from "../timeline/row.ts";
import {
  isWatching,
  readSubscriptions,
  subscribersOf,
  type Subscription,
  type TableDeps,
  type Watcher,
} from "./connection.ts";

/** A function of an earlier release subscribes without raising the version: so long its watchers may be overlooked. */
const keptMs = 30_000;
const maxKept = 1000;

interface Kept {
  version: number;
  readAt: number;
  subscriptions: Subscription[];
}

const keptOf = new WeakMap<Table, Map<string, Kept>>();

function keptIn(table: Table): Map<string, Kept> {
  const known = keptOf.get(table) ?? new Map<string, Kept>();
  keptOf.set(table, known);
  return known;
}

/**
 * Who watches a session whose row had this `watch_version` when it was read, or committed: all who subscribed before that
 * are among them. A worker that has asked under the same version does not ask again.
 */
export async function watchersAt(deps: TableDeps, key: SessionKey, version: number | undefined): Promise<Watcher[]> {
  if (version === undefined) return subscribersOf(deps, key);
  const kept = keptIn(deps.table);
  const name = `${key.tenant_id}/${key.session_id}`;
  const now = deps.clock.now();
  const known = kept.get(name);
  if (known?.version === version && known.readAt > now - keptMs) return known.subscriptions.filter(isWatching(now));
  const subscriptions = await readSubscriptions(deps.table, key);
  if (kept.size >= maxKept) kept.clear();
  kept.set(name, { version, readAt: now, subscriptions });
  return subscriptions.filter(isWatching(now));
}
