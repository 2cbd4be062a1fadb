import { AppError } from "../../errors.ts";
import type { Cursors } from "../../ports/cursors.ts";
import type { Objects } from "../../ports/objects.ts";
import type { EventsPage, EventsQuery, Message, MessagesQuery, ToolOutput } from "../../protocol/conversation.ts";
import type { PageQuery } from "../../protocol/page.ts";
import type * as z from "zod";
import { hiddenRanges, rewindsOf } from "../checkpoint/restore.decisions.ts";
import { readConversation } from "../conversation/conversation.ts";
import { readMessageAt, readMessagePage } from "../timeline/message-page.ts";
import { toEvent, type SessionKey } from "../timeline/row.ts";
import { readTimeline, type TimelineDeps } from "../timeline/timeline.ts";
import { answerBytes } from "./columns.ts";
import { fitting, maxAnswerBytes, toMessageAnswer, withoutOutputs } from "./history.decisions.ts";
import { requireSessionRow } from "./session-row.ts";

export interface HistoryDeps extends TimelineDeps {
  objects: Pick<Objects, "get" | "put" | "presignGet">;
  cursors: Cursors;
}

type Page<T> = { data: T[]; next_cursor: string | null };
type PageOf = z.infer<typeof PageQuery>;

/** What is read of a session that there is, both at the same time. Foreign and unknown ids are the same 404. */
async function ofSession<T>(deps: TimelineDeps, key: SessionKey, reading: Promise<T>): Promise<T> {
  const [found] = await Promise.all([reading, requireSessionRow(deps.table, key)]);
  return found;
}

/** A place on the log as a path names it: a text that is none is not found, as one without a row is. */
function seqOf(text: string): number {
  if (!/^[1-9]\d{0,11}$/.test(text)) throw new AppError("not_found");
  return Number(text);
}

const openCursor = (deps: HistoryDeps, key: SessionKey, scope: string, query: PageOf) =>
  query.cursor === undefined
    ? Promise.resolve(null)
    : deps.cursors.open(query.cursor, key.tenant_id, `${scope}#${key.session_id}`);

const sealCursor = (deps: HistoryDeps, key: SessionKey, scope: string, cursor: string | null) =>
  cursor === null ? Promise.resolve(null) : deps.cursors.seal(cursor, key.tenant_id, `${scope}#${key.session_id}`);

/**
 * The same for messages, with what restores of the chat left out: the model does not see that, people still do. A session
 * that there is has a conversation, so that this costs no read more.
 */
async function withHidden<T>(deps: HistoryDeps, key: SessionKey, reading: Promise<T>) {
  const [found, conversation] = await Promise.all([reading, readConversation(deps.table, key)]);
  if (!conversation) throw new AppError("not_found");
  return { found, hidden: hiddenRanges(rewindsOf(conversation)) };
}

/** Messages with their calls and results. A page may hold fewer than were asked for: the end is where no cursor is. */
export async function messageAnswers(
  deps: HistoryDeps,
  key: SessionKey,
  query: z.infer<typeof MessagesQuery>,
): Promise<Page<Message>> {
  const { order, limit, role = null } = query;
  const scope = `messages#${order}#${role}`;
  const cursor = await openCursor(deps, key, scope, query);
  const from = cursor === null ? null : Number(cursor);
  const { found, hidden } = await withHidden(deps, key, readMessagePage(deps, key, { order, limit, role, from }));
  const all = found.messages.map((message) => toMessageAnswer(message, hidden));
  const data = fitting(all, withoutOutputs);
  const next = data.length < all.length ? (data.at(-1)?.seq ?? null) : found.next;
  return { data, next_cursor: await sealCursor(deps, key, scope, next === null ? null : String(next)) };
}

/** One message by its `seq`, whole. Throws `not_found`. */
export async function messageAnswer(deps: HistoryDeps, key: SessionKey, place: string): Promise<Message> {
  const { found, hidden } = await withHidden(deps, key, readMessageAt(deps, key, seqOf(place)));
  if (!found) throw new AppError("not_found");
  const [message] = fitting([toMessageAnswer(found, hidden)], withoutOutputs);
  if (!message) throw new AppError("not_found");
  return message;
}

/** The log itself, as every other transport shows it. */
export async function eventAnswers(
  deps: TimelineDeps,
  key: SessionKey,
  query: z.infer<typeof EventsQuery>,
): Promise<z.input<typeof EventsPage>> {
  const found = await ofSession(deps, key, readTimeline(deps, key, { ...query, maxBytes: maxAnswerBytes }));
  const events = found.rows.map((row) => toEvent(key, row));
  const data = fitting(events);
  const more = found.more || data.length < events.length;
  const last = more ? (data.at(-1)?.seq ?? null) : null;
  return query.order === "asc"
    ? { data, next_after: last, next_before: null }
    : { data, next_after: null, next_before: last };
}

const outputUrlSeconds = 900;

/** The output of a tool call by the `seq` of its `tool.completed`. Throws `not_found`. */
export async function outputAnswer(
  deps: HistoryDeps,
  key: SessionKey,
  place: string,
): Promise<z.infer<typeof ToolOutput>> {
  const seq = seqOf(place);
  const { rows } = await ofSession(deps, key, readTimeline(deps, key, { after: seq - 1, before: seq + 1 }));
  const [row] = rows;
  if (row?.kind !== "event" || row.type !== "tool.completed") throw new AppError("not_found");
  const { call_id, output, output_bytes, truncated, object_key } = row.data;
  if (object_key === null) return { call_id, output, output_bytes, truncated, url: null, expires_in: null };
  const url = await deps.objects.presignGet(object_key, outputUrlSeconds);
  const stored = output_bytes <= maxAnswerBytes ? await deps.objects.get(object_key) : null;
  const whole = stored && Buffer.from(stored).toString("utf8");
  const shown = whole !== null && answerBytes(JSON.stringify(whole)) <= maxAnswerBytes ? whole : null;
  return { call_id, output: shown, output_bytes, truncated: false, url, expires_in: outputUrlSeconds };
}
