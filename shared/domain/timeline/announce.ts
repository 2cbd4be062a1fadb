import type { Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Sockets } from "../../ports/sockets.ts";
import type { LiveEvent } from "../../protocol/server-event.ts";
import { deliver, type Watcher } from "../connection/connection.ts";
import { watchersAt } from "../connection/watchers.ts";
import { wakePublisher, type OutboundDeps } from "../outbox/wake.ts";
import { toEvent, toMessage, type SessionKey, type TimelineRow } from "./row.ts";

export interface AnnounceDeps extends OutboundDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  sockets: Pick<Sockets, "post">;
}

/**
 * Tells the watchers of a session, and who tells the outside, what was committed. A lost one is found again by `seq`.
 * `watchVersion` is the conversation's own, where it is known with which one it was committed.
 */
export async function announce(
  deps: AnnounceDeps,
  key: SessionKey,
  committed: TimelineRow[],
  live: LiveEvent[] = [],
  watchVersion?: number,
): Promise<void> {
  if (committed.length + live.length === 0) return;
  const { rest } = await announceFirst(deps, key, committed, live, watchVersion);
  await rest;
}

/** The same, but only until the watchers know what was committed: what is on no timeline is told meanwhile. `rest` may fail. */
export async function announceFirst(
  deps: AnnounceDeps,
  key: SessionKey,
  committed: TimelineRow[],
  live: LiveEvent[],
  watchVersion?: number,
): Promise<{ rest: Promise<void> }> {
  const messages = live.map((event) => JSON.stringify(event));
  const telling = async () => tellCommitted(deps, key, await watchersAt(deps, key, watchVersion), committed, messages);
  const [, left] = await Promise.all([wakePublisher(deps, key, committed), telling()]);
  return { rest: deliver(deps, key, left, messages) };
}

/** Who takes several events in one message has the live ones with it; answers with the others. */
async function tellCommitted(
  deps: AnnounceDeps,
  key: SessionKey,
  watchers: Watcher[],
  committed: TimelineRow[],
  live: string[],
): Promise<Watcher[]> {
  const messages = committed.map((row) => toMessage(toEvent(key, row)));
  const batched = watchers.filter((watcher) => watcher.batched);
  const others = watchers.filter((watcher) => !watcher.batched);
  await Promise.all([deliver(deps, key, batched, [...messages, ...live]), deliver(deps, key, others, messages)]);
  return others;
}

type Live = { [T in LiveEvent["type"]]: Pick<Extract<LiveEvent, { type: T }>, "type" | "data"> }[LiveEvent["type"]];

export function liveEvent(key: SessionKey, now: number, event: Live, turnId?: string): LiveEvent {
  const at = new Date(now).toISOString();
  return { v: 1, session_id: key.session_id, seq: null, at, turn_id: turnId, ...event } as LiveEvent;
}

/** Tells the watchers something that is on no timeline. `watchVersion`: as for `announce`. */
export async function announceLive(
  deps: AnnounceDeps,
  key: SessionKey,
  event: Live,
  { turnId, watchVersion }: { turnId?: string | undefined; watchVersion?: number | undefined } = {},
): Promise<void> {
  const watchers = await watchersAt(deps, key, watchVersion);
  const message = JSON.stringify(liveEvent(key, deps.clock.now(), event, turnId));
  await deliver(deps, key, watchers, [message]);
}
