import type { EntityItem } from "electrodb";
import { rows, type Platform, type Table } from "../../data/service.ts";
import type { Objects } from "../../ports/objects.ts";
import type { ContentBlock } from "../../protocol/content.ts";
import { maxInlineBodyBytes } from "../../protocol/limits.ts";
import type { CheckpointRow, EventRow, MessageRow, NewRow, SessionKey, TimelineRow } from "./row.ts";

type StoredMessage = EntityItem<Platform["entities"]["chatMessage"]>;
type StoredEvent = EntityItem<Platform["entities"]["sessionEvent"]>;
type StoredCheckpoint = EntityItem<Platform["entities"]["gitCheckpoint"]>;

export interface TimelineDeps {
  table: Table;
  objects: Pick<Objects, "get" | "put">;
}

/** Highest number that fits the padded key. */
const lastSeq = 999_999_999_999;

/** Where a session keeps what does not fit its rows. */
export function objectKey(key: SessionKey, ...parts: string[]): string {
  return ["tenants", key.tenant_id, "sessions", key.session_id, ...parts].join("/");
}

async function loadBody(objects: Pick<Objects, "get">, stored: StoredMessage): Promise<ContentBlock[]> {
  if (stored.body !== undefined) return JSON.parse(stored.body) as ContentBlock[];
  const body = stored.body_key ? await objects.get(stored.body_key) : null;
  if (!body) throw new Error(`body of message ${stored.message_id} is missing`);
  return JSON.parse(Buffer.from(body).toString("utf8")) as ContentBlock[];
}

type ReadMessage = MessageRow & { seq: number; at: number };

async function toMessageRow(objects: Pick<Objects, "get">, stored: StoredMessage): Promise<ReadMessage> {
  const { seq, at, turn_id, message_id, role, user_id, step, seen_head, usage } = stored;
  const content = await loadBody(objects, stored);
  const row: MessageRow = { kind: "message", turn_id, message_id, role, content, user_id, step, seen_head };
  return { ...row, seq, at, ...(usage ? { usage: JSON.parse(usage) } : {}) };
}

function toEventRow(stored: StoredEvent): TimelineRow {
  const { seq, at, turn_id, type, data } = stored;
  return { kind: "event", seq, at, turn_id, type, data: JSON.parse(data) } as EventRow & { seq: number; at: number };
}

export function toCheckpointRow(stored: StoredCheckpoint): CheckpointRow & { seq: number; at: number } {
  const { seq, at, turn_id, number, commit, tree, message, files, insertions, deletions, pack_keys, manifest_key } =
    stored;
  const { branch, parent_commit, push_error, push_status } = stored;
  return {
    kind: "checkpoint",
    seq,
    at,
    turn_id,
    number,
    commit,
    tree,
    message,
    pack_keys,
    manifest_key,
    push_status,
    stat: { files, insertions, deletions },
    parent_commit: parent_commit ?? null,
    branch: branch ?? null,
    push_error: push_error ?? null,
  };
}

export interface TimelinePage {
  rows: TimelineRow[];
  /** There is more after the last row. */
  more: boolean;
}

function queryPage(table: Table, key: SessionKey, after: number, cursor: string | null, limit: number | undefined) {
  return rows(table)
    .collections.timeline({ tenant_id: key.tenant_id, session_id: key.session_id })
    .between({ seq: after + 1 }, { seq: lastSeq })
    .go({ cursor, consistent: true, limit });
}

/** The log after `after`, in order: consistent reads, since a reader must never see a gap that is none. */
export async function readTimeline(
  deps: TimelineDeps,
  key: SessionKey,
  range: { after: number; limit?: number },
): Promise<TimelinePage> {
  const found: TimelineRow[] = [];
  let cursor: string | null = null;
  do {
    const left = range.limit === undefined ? undefined : range.limit - found.length;
    const page: Awaited<ReturnType<typeof queryPage>> = await queryPage(deps.table, key, range.after, cursor, left);
    found.push(
      ...(await Promise.all(page.data.chatMessage.map((stored) => toMessageRow(deps.objects, stored)))),
      ...page.data.sessionEvent.map(toEventRow),
      ...page.data.gitCheckpoint.map(toCheckpointRow),
    );
    cursor = page.cursor;
  } while (cursor && (range.limit === undefined || found.length < range.limit));
  found.sort((a, b) => a.seq - b.seq);
  return { rows: found, more: cursor !== null };
}

/** The messages alone, in order. */
export async function readMessages(
  deps: TimelineDeps,
  key: SessionKey,
  page: { limit: number; after: number },
): Promise<{ data: ReadMessage[]; more: boolean }> {
  const { tenant_id, session_id } = key;
  const found = await rows(deps.table)
    .entities.chatMessage.query.timeline({ tenant_id, session_id })
    .between({ seq: page.after + 1 }, { seq: lastSeq })
    .go({ count: page.limit, consistent: true });
  const data = await Promise.all(found.data.map((stored) => toMessageRow(deps.objects, stored)));
  return { data, more: found.cursor !== null };
}

/** Puts bodies that do not fit an item into object storage. Runs before the commit; a loser's object is never named. */
export async function storeBodies(objects: Pick<Objects, "put">, key: SessionKey, added: NewRow[]): Promise<void> {
  for (const row of added) {
    if (row.kind !== "message") continue;
    const body = JSON.stringify(row.content);
    if (Buffer.byteLength(body) <= maxInlineBodyBytes) continue;
    await objects.put(bodyKey(key, row), body, "application/json");
  }
}

function bodyKey(key: SessionKey, row: MessageRow): string {
  return objectKey(key, "messages", `${row.message_id}.json`);
}

/** The write of one row, for the transaction that appends it. */
export function createRow(platform: TransactionEntities, key: SessionKey, row: NewRow, seq: number, at: number) {
  if (row.kind === "event") {
    const { type, turn_id, data } = row;
    return platform.sessionEvent.create({ ...key, seq, at, type, turn_id, data: JSON.stringify(data) }).commit();
  }
  if (row.kind === "checkpoint") {
    const { kind: _kind, stat, parent_commit, branch, push_error, ...rest } = row;
    return platform.gitCheckpoint
      .create({
        ...key,
        ...rest,
        ...stat,
        seq,
        at,
        parent_commit: parent_commit ?? undefined,
        branch: branch ?? undefined,
        push_error: push_error ?? undefined,
      })
      .commit();
  }
  const { kind: _kind, content, usage, ...rest } = row;
  const body = JSON.stringify(content);
  const place = Buffer.byteLength(body) > maxInlineBodyBytes ? { body_key: bodyKey(key, row) } : { body };
  return platform.chatMessage
    .create({ ...key, ...rest, ...place, seq, at, usage: usage ? JSON.stringify(usage) : undefined })
    .commit();
}

/** The entities as a transaction's callback gets them. */
export type TransactionEntities = Parameters<Parameters<Platform["transaction"]["write"]>[0]>[0];
/** One write of a transaction. */
export type TransactionItem = ReturnType<Parameters<Platform["transaction"]["write"]>[0]>[number];
