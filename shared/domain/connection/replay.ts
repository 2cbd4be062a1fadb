import type { Objects } from "../../ports/objects.ts";
import { liveEvent, type AnnounceDeps } from "../timeline/announce.ts";
import { toEvent, toMessage, type SessionKey } from "../timeline/row.ts";
import { readTimeline } from "../timeline/timeline.ts";
import { inBatches } from "./batch.ts";
import type { Watcher } from "./connection.ts";

const pageSize = 100;
/** Bodies that are held at a time. */
const pageBytes = 4 * 1024 * 1024;
/** The frame's own limit is 29 s: what is left then is asked for again, from the head that was reached. */
const budgetMs = 20_000;

/** The log after `after`, then `replay.completed`. Live events may come in between: clients order by `seq`. */
export async function replay(
  deps: AnnounceDeps & { objects: Pick<Objects, "get" | "put"> },
  key: SessionKey,
  { connectionId, batched }: Watcher,
  after: number,
): Promise<void> {
  const until = deps.clock.now() + budgetMs;
  let head = after;
  let more = true;
  while (more && deps.clock.now() < until) {
    const page = await readTimeline(deps, key, { after: head, limit: pageSize, maxBytes: pageBytes });
    const events = page.rows.map((row) => toMessage(toEvent(key, row)));
    for (const message of batched ? inBatches(events) : events) {
      const delivered = await deps.sockets.post(connectionId, message);
      if (delivered === "gone") return;
    }
    head = page.rows.at(-1)?.seq ?? head;
    more = page.more;
  }
  const completed = liveEvent(key, deps.clock.now(), { type: "replay.completed", data: { head, more } });
  await deps.sockets.post(connectionId, JSON.stringify(completed));
}
