import type { MessageRole } from "../../protocol/content.ts";
import {
  isNextAnswer,
  messagesAmong,
  resultsAmong,
  unanswered,
  withCalls,
  type FoundResult,
  type MessageWithCalls,
} from "./message-page.decisions.ts";
import type { SessionKey } from "./row.ts";
import { loadRows, readStored, type ReadMessage, type StoredRow, type TimelineDeps } from "./timeline.ts";

export interface MessageRange {
  order: "asc" | "desc";
  limit: number;
  role: MessageRole | null;
  /** Where the page before this one ended; null at the log's end (or beginning) in the order that is asked for. */
  from: number | null;
}

export interface MessagePage {
  messages: MessageWithCalls[];
  /** Where the next page begins; null where there is none. */
  next: number | null;
}

/** A page reads no more of the log than this, and may hold fewer messages than were asked for. */
const maxPageReads = 8;
const maxReadBytes = 2 * 1024 * 1024;
/** What a message takes of the log with its calls and events, until it is known of this one. */
const rowsPerMessage = { any: 2.5, ofRole: 5 };
const mostRowsPerRead = 400;
/** The results of one answer are within this many rows, or it is as if they were pending. */
const maxResultReads = 4;
const resultRows = 100;

interface Read {
  rows: StoredRow[];
  more: boolean;
}

const beyond = ({ order }: MessageRange, from: number | null) =>
  from === null ? { order } : order === "asc" ? { order, after: from } : { order, before: from };

function density({ role }: MessageRange, rows: number, messages: number): number {
  if (rows === 0) return role === null ? rowsPerMessage.any : rowsPerMessage.ofRole;
  return rows / Math.max(1, messages);
}

async function readAhead(deps: TimelineDeps, key: SessionKey, range: MessageRange): Promise<Read> {
  const rows: StoredRow[] = [];
  let from = range.from;
  let more = true;
  let bytes = 0;
  for (let reads = 0; more && reads < maxPageReads && bytes < maxReadBytes; reads += 1) {
    const found = messagesAmong(rows, range.limit, range.role).length;
    if (found === range.limit) break;
    const limit = Math.min(Math.ceil((range.limit - found) * density(range, rows.length, found)), mostRowsPerRead);
    const page = await readStored(deps.table, key, { ...beyond(range, from), limit, maxBytes: maxReadBytes - bytes });
    rows.push(...page.rows);
    from = page.rows.at(-1)?.seq ?? from;
    more = page.more;
    bytes += page.bytes;
  }
  return { rows, more };
}

/** The results of one answer, from the rows after `after` on. */
async function readResults(deps: TimelineDeps, key: SessionKey, message: MessageWithCalls, after: number) {
  const found = new Map<string, FoundResult>();
  const wanted = message.calls.filter(({ result }) => result === null).map(({ call }) => call.id);
  let from = after;
  for (let reads = 0; reads < maxResultReads; reads += 1) {
    const { rows, more } = await readStored(deps.table, key, { after: from, limit: resultRows });
    for (const [id, result] of resultsAmong(rows)) found.set(id, result);
    from = rows.at(-1)?.seq ?? from;
    if (!more || rows.some(isNextAnswer) || wanted.every((id) => found.has(id))) break;
  }
  return found;
}

/** Reads on for the one message whose results may come after what was read. */
async function completed(
  deps: TimelineDeps,
  key: SessionKey,
  messages: MessageWithCalls[],
  readTo: number | null,
): Promise<MessageWithCalls[]> {
  const last = readTo === null ? null : unanswered(messages);
  if (last === null || readTo === null) return messages;
  const results = await readResults(deps, key, last, readTo);
  return messages.map((message) =>
    message === last
      ? {
          ...message,
          calls: message.calls.map(({ call, result }) => ({ call, result: result ?? results.get(call.id) ?? null })),
        }
      : message,
  );
}

/** The last `seq` that was read in the log's order; null where nothing comes after it. */
function endOf(range: MessageRange, read: Read): number | null {
  if (range.order === "desc") return range.from === null ? null : range.from - 1;
  return read.more ? (read.rows.at(-1)?.seq ?? null) : null;
}

/**
 * A page of messages with their calls and results, in either order. One range of the log is read, bounded in reads and
 * bytes whatever the log's length, and at most one more for the results that lie outside of it.
 */
export async function readMessagePage(deps: TimelineDeps, key: SessionKey, range: MessageRange): Promise<MessagePage> {
  const read = await readAhead(deps, key, range);
  const chosen = messagesAmong(read.rows, range.limit, range.role);
  const results = resultsAmong(read.rows);
  const loaded = await loadRows(deps.objects, chosen);
  const messages = loaded.filter((row): row is ReadMessage => row.kind === "message");
  const known = messages.map((message) => withCalls(message, results));
  const isFull = chosen.length === range.limit;
  const last = isFull ? chosen.at(-1) : read.rows.at(-1);
  const more = read.more || (isFull && last?.seq !== read.rows.at(-1)?.seq);
  return { messages: await completed(deps, key, known, endOf(range, read)), next: more ? (last?.seq ?? null) : null };
}

/** One message by its place on the log; null where there is none. */
export async function readMessageAt(
  deps: TimelineDeps,
  key: SessionKey,
  seq: number,
): Promise<MessageWithCalls | null> {
  const { rows } = await readStored(deps.table, key, { after: seq - 1, limit: 1 });
  const [row] = await loadRows(
    deps.objects,
    rows.filter((found) => found.seq === seq),
  );
  if (row?.kind !== "message") return null;
  const [message] = await completed(deps, key, [withCalls(row, new Map())], seq);
  return message ?? null;
}
