import { rows } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Cursors } from "../../ports/cursors.ts";
import type { Checkpoint } from "../../protocol/checkpoint.ts";
import type { EventsPage, EventsQuery, Message } from "../../protocol/conversation.ts";
import type { PageQuery } from "../../protocol/page.ts";
import type * as z from "zod";
import { listCheckpoints } from "../checkpoint/checkpoint.ts";
import { toEvent, type SessionKey } from "../timeline/row.ts";
import { readMessages, readTimeline, type TimelineDeps } from "../timeline/timeline.ts";

export interface HistoryDeps extends TimelineDeps {
  cursors: Cursors;
}

type Page<T> = { data: T[]; next_cursor: string | null };
type PageOf = z.infer<typeof PageQuery>;

/** Foreign and unknown ids are the same 404. */
async function checkSession(deps: TimelineDeps, key: SessionKey): Promise<void> {
  const { tenant_id, session_id } = key;
  const found = await rows(deps.table)
    .entities.session.get({ tenant_id, session_id })
    .go({ attributes: ["session_id"] });
  if (!found.data) throw new AppError("not_found");
}

const openCursor = (deps: HistoryDeps, key: SessionKey, scope: string, query: PageOf) =>
  query.cursor === undefined
    ? Promise.resolve(null)
    : deps.cursors.open(query.cursor, key.tenant_id, `${scope}#${key.session_id}`);

const sealCursor = (deps: HistoryDeps, key: SessionKey, scope: string, cursor: string | null) =>
  cursor === null ? Promise.resolve(null) : deps.cursors.seal(cursor, key.tenant_id, `${scope}#${key.session_id}`);

/** Lambda answers hold 6 MB. */
const maxPageBytes = 4 * 1024 * 1024;

/** As many of the first as fit one answer, and at least one. */
function fitting<T>(items: T[]): T[] {
  let bytes = 0;
  const end = items.findIndex((item, index) => {
    bytes += Buffer.byteLength(JSON.stringify(item));
    return index > 0 && bytes > maxPageBytes;
  });
  return end < 0 ? items : items.slice(0, end);
}

/** Messages in order, oldest first. */
export async function messageAnswers(deps: HistoryDeps, key: SessionKey, query: PageOf): Promise<Page<Message>> {
  await checkSession(deps, key);
  const after = Number((await openCursor(deps, key, "messages", query)) ?? 0);
  const found = await readMessages(deps, key, { limit: query.limit, after });
  const all = found.data.map(({ message_id, seq, turn_id, role, content, usage, at }) => ({
    id: message_id,
    seq,
    turn_id,
    role,
    content,
    usage: usage ?? null,
    created_at: new Date(at).toISOString(),
  }));
  const data = fitting(all);
  const more = found.more || data.length < all.length;
  const last = more ? String(data.at(-1)?.seq ?? after) : null;
  return { data, next_cursor: await sealCursor(deps, key, "messages", last) };
}

/** The log itself, as every other transport shows it. */
export async function eventAnswers(
  deps: TimelineDeps,
  key: SessionKey,
  query: z.infer<typeof EventsQuery>,
): Promise<z.input<typeof EventsPage>> {
  await checkSession(deps, key);
  const found = await readTimeline(deps, key, query);
  const events = found.rows.map((row) => toEvent(key, row));
  const data = fitting(events);
  const more = found.more || data.length < events.length;
  return { data, next_after: more ? (data.at(-1)?.seq ?? null) : null };
}

/** Checkpoints, newest first. */
export async function checkpointAnswers(deps: HistoryDeps, key: SessionKey, query: PageOf): Promise<Page<Checkpoint>> {
  await checkSession(deps, key);
  const cursor = await openCursor(deps, key, "checkpoints", query);
  const found = await listCheckpoints(deps.table, key, { limit: query.limit, cursor });
  const data = found.data.map((row) => {
    const { number, seq, turn_id, commit, parent_commit, branch, message, stat, push_status } = row;
    return {
      number,
      seq,
      turn_id,
      commit,
      parent_commit,
      branch,
      message,
      stat,
      push_status,
      created_at: new Date(row.at).toISOString(),
    };
  });
  return { data, next_cursor: await sealCursor(deps, key, "checkpoints", found.cursor) };
}
