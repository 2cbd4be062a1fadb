import { subscribersOf, unsubscribe } from "../connection/connection.ts";
import { announceLive, type AnnounceDeps } from "../timeline/announce.ts";
import type { SessionKey } from "../timeline/row.ts";

/** Whoever watches a deleted session learns that nothing more comes of it. */
export async function tellWatchers(deps: AnnounceDeps, key: SessionKey): Promise<void> {
  const watchers = await subscribersOf(deps, key);
  if (watchers.length === 0) return;
  await announceLive(deps, key, { type: "session.deleted", data: {} });
  await Promise.all(watchers.map(({ connectionId }) => unsubscribe(deps.table, key, connectionId)));
}
