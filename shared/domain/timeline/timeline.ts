import type { EntityItem } from "electrodb";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { inParallel } from "../../in-parallel.ts";
import type { Objects } from "../../ports/objects.ts";
import type { ContentBlock } from "../../protocol/content.ts";
import { maxInlineBodyBytes } from "../../protocol/limits.ts";
import type { Merging } from "../../protocol/sandbox-frame.ts";
import { tidyGraceMs, tidyShard } from "../checkpoint/tidy.decisions.ts";
import type { CheckpointRow, EventRow, MessageRow, NewRow, SessionKey, TimelineRow } from "./row.ts";

type StoredMessage = EntityItem<Platform["entities"]["chatMessage"]>;
type StoredEvent = EntityItem<Platform["entities"]["sessionEvent"]>;
type StoredCheckpoint = EntityItem<Platform["entities"]["gitCheckpoint"]>;

export interface TimelineDeps {
  table: Table;
  objects: Pick<Objects, "get" | "put">;
}

/** Highest number that fits the padded key: above every `seq`. */
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

/** A message of the log, with its body. */
export type ReadMessage = MessageRow & { seq: number; at: number };

async function toMessageRow(objects: Pick<Objects, "get">, stored: StoredMessage): Promise<ReadMessage> {
  const { seq, at, turn_id, message_id, role, user_id, step, seen_head, usage, bound_to, covers_seq } = stored;
  const content = await loadBody(objects, stored);
  const saw = { step, seen_head, bound_to, covers_seq };
  const row: MessageRow = { kind: "message", turn_id, message_id, role, content, user_id, ...saw };
  const marks = stored.interrupted ? { interrupted: true as const } : {};
  return { ...row, ...marks, seq, at, ...(usage ? { usage: JSON.parse(usage) } : {}) };
}

function toEventRow(stored: StoredEvent) {
  const { seq, at, turn_id, type, data } = stored;
  return { kind: "event", seq, at, turn_id, type, data: JSON.parse(data) } as EventRow & { seq: number; at: number };
}

export function toCheckpointRow(stored: StoredCheckpoint): CheckpointRow & { seq: number; at: number } {
  const { seq, at, turn_id, number, commit, tree, message, files, insertions, deletions, pack_keys, manifest_key } =
    stored;
  const { branch, parent_commit, push_error, push_status, cause, restored_from } = stored;
  const { blobs_key, parent_manifest_key, secrets, merging, warning } = stored;
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
    cause: cause ?? (turn_id === undefined ? "manual" : "turn"),
    restored_from,
    blobs_key,
    parent_manifest_key,
    secrets,
    ...(warning === undefined ? {} : { warning }),
    ...(merging === undefined ? {} : { merging: JSON.parse(merging) as Merging }),
  };
}

/** The rows between `after` and `before`, both left out, in the order that is asked for. */
export interface TimelineRange {
  after?: number;
  before?: number;
  order?: "asc" | "desc";
  /** Rows. */
  limit?: number;
  /** Bodies together; the first row is read whatever it weighs. */
  maxBytes?: number;
}

export interface TimelinePage {
  rows: TimelineRow[];
  /** There is more after the last row. */
  more: boolean;
}

/** A row whose message may still have its body in object storage. */
export type StoredRow = { kind: "message"; seq: number; stored: StoredMessage } | Exclude<TimelineRow, ReadMessage>;

export interface StoredPage {
  rows: StoredRow[];
  /** There is more after the last row. */
  more: boolean;
  bytes: number;
}

/** A collection compares its upper end as a prefix: the rows of `before` itself are above it. */
function queryPage(table: Table, key: SessionKey, range: TimelineRange, cursor: string | null, limit?: number) {
  const { after = 0, before = lastSeq, order = "asc" } = range;
  return rows(table)
    .collections.timeline({ tenant_id: key.tenant_id, session_id: key.session_id })
    .between({ seq: after + 1 }, { seq: before })
    .go({ cursor, consistent: true, limit, order });
}

type TablePage = Awaited<ReturnType<typeof queryPage>>;

/** With its weight in an answer: a body in object storage is at least over the limit of one that is not. */
interface Weighed {
  row: StoredRow;
  bytes: number;
}

const weigh = ({ data }: TablePage): Weighed[] => [
  ...data.chatMessage.map((stored) => ({
    row: { kind: "message" as const, seq: stored.seq, stored },
    bytes: stored.body?.length ?? maxInlineBodyBytes,
  })),
  ...data.sessionEvent.map((stored) => ({ row: toEventRow(stored), bytes: stored.data.length })),
  ...data.gitCheckpoint.map((stored) => ({ row: toCheckpointRow(stored), bytes: 0 })),
];

/** The first rows that weigh no more than `maxBytes` together, and at least one. */
function cutAt(maxBytes: number, weighed: Weighed[]): Weighed[] {
  let bytes = 0;
  const end = weighed.findIndex((row, index) => {
    bytes += row.bytes;
    return index > 0 && bytes > maxBytes;
  });
  return end < 0 ? weighed : weighed.slice(0, end);
}

/** Consistent reads, since a reader must never see a gap that is none. */
export async function readStored(table: Table, key: SessionKey, range: TimelineRange): Promise<StoredPage> {
  const { after = 0, before = lastSeq, limit = Infinity, maxBytes = Infinity } = range;
  if (after + 1 >= before) return { rows: [], more: false, bytes: 0 };
  const found: Weighed[] = [];
  let cursor: string | null = null;
  let bytes = 0;
  do {
    const left = limit === Infinity ? undefined : limit - found.length;
    const page: TablePage = await queryPage(table, key, range, cursor, left);
    const read = weigh(page);
    found.push(...read);
    bytes += read.reduce((sum, row) => sum + row.bytes, 0);
    cursor = page.cursor;
  } while (cursor && found.length < limit && bytes < maxBytes);
  const sign = range.order === "desc" ? -1 : 1;
  const kept = cutAt(
    maxBytes,
    found.toSorted((one, other) => sign * (one.row.seq - other.row.seq)),
  );
  return {
    rows: kept.map(({ row }) => row),
    more: cursor !== null || kept.length < found.length,
    bytes: kept.reduce((sum, row) => sum + row.bytes, 0),
  };
}

/** Bodies that are fetched from object storage at the same time. */
const bodiesAtOnce = 8;

/** The same rows with their bodies. */
export function loadRows(objects: Pick<Objects, "get">, stored: StoredRow[]): Promise<TimelineRow[]> {
  return inParallel(stored, bodiesAtOnce, async (row) =>
    row.kind === "message" ? toMessageRow(objects, row.stored) : row,
  );
}

/** A part of the log, by default all of it in order. */
export async function readTimeline(deps: TimelineDeps, key: SessionKey, range: TimelineRange): Promise<TimelinePage> {
  const { rows: stored, more } = await readStored(deps.table, key, range);
  return { rows: await loadRows(deps.objects, stored), more };
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
    const { kind: _kind, stat, parent_commit, branch, push_error, frees_packs, merging, ...rest } = row;
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
        ...(merging ? { merging: JSON.stringify(merging) } : {}),
        ...(frees_packs ? { tidy_shard: tidyShard, tidy_at: at + tidyGraceMs } : {}),
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
