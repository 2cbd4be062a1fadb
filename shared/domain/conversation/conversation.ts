import type { EntityItem } from "electrodb";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Objects } from "../../ports/objects.ts";
import { inboxChange, unreadMarks } from "../inbox/inbox.decisions.ts";
import { outboxMark } from "../outbox/mark.decisions.ts";
import type { NewRow, SessionKey, TimelineRow } from "../timeline/row.ts";
import { createRow, storeBodies, type TransactionEntities, type TransactionItem } from "../timeline/timeline.ts";
import { mirror } from "./mirror.ts";

export type Conversation = EntityItem<Platform["entities"]["conversation"]>;

/** What a transition changes; null removes. Keys, head, fence and times are the doer's. */
export type ConversationChange = {
  [K in Exclude<keyof Conversation, "tenant_id" | "session_id" | "head" | "updated_at" | "due_shard">]?:
    | Conversation[K]
    | null;
};

/** One transition, decided from the state that was read. */
export interface Transition<T> {
  rows: NewRow[];
  change: ConversationChange;
  /** Other rows of the same transaction: ledger, tool calls, the request's idempotency. */
  extra?: (entities: TransactionEntities, firstSeq: number) => TransactionItem[];
  result: T;
}

export type Decide<T> = (conversation: Conversation, now: number) => Transition<T> | null;

export type Outcome<T> =
  | { kind: "committed"; result: T; rows: TimelineRow[]; conversation: Conversation }
  /** The decision found nothing to do in the present state. */
  | { kind: "declined"; conversation: Conversation }
  /** A row of `extra` refused: it holds what is stored there instead. */
  | { kind: "refused"; index: number; stored: Record<string, unknown> | null };

export interface ConversationDeps {
  table: Table;
  objects: Pick<Objects, "get" | "put">;
  clock: Clock;
  ids: Pick<Ids, "random">;
}

const maxTries = 8;
/** The due index is spread, so that no partition of it is hot. */
export const dueShards = 8;

export function dueShardOf(sessionId: string): string {
  return String(Number.parseInt(sessionId.slice(0, 2), 16) % dueShards);
}

/** Null for a deleted one, of which only the removal's job still knows. */
export async function readConversation(table: Table, key: SessionKey): Promise<Conversation | null> {
  const { tenant_id, session_id } = key;
  const found = await rows(table).entities.conversation.get({ tenant_id, session_id }).go({ consistent: true });
  return found.data?.deleted_at === undefined ? found.data : null;
}

function split(change: ConversationChange, sessionId: string) {
  const set: Record<string, unknown> = {};
  const remove: string[] = [];
  for (const [name, value] of Object.entries(change)) {
    if (value === null) remove.push(name);
    else if (value !== undefined) set[name] = value;
  }
  if (set["due_at"] !== undefined) set["due_shard"] = dueShardOf(sessionId);
  if (remove.includes("due_at")) remove.push("due_shard");
  return { set, remove };
}

type Patch = ReturnType<Platform["entities"]["conversation"]["patch"]>;
type Condition = Parameters<ReturnType<Patch["set"]>["where"]>[0];

/** True while nothing happened that a decision on this state must know of. */
function isStill(read: Conversation, change: ConversationChange): Condition {
  // Who takes a step over decided on its lease; a renewal moves nothing else.
  const takesOver = change.fence !== undefined && change.lease_until !== undefined;
  return ({ head, fence, phase, interrupt_at, lease_until, watch_version }, { eq, notExists }) =>
    [
      eq(head, read.head),
      eq(fence, read.fence),
      eq(phase, read.phase),
      read.interrupt_at === undefined ? notExists(interrupt_at) : eq(interrupt_at, read.interrupt_at),
      // Not for the decision: who is told of it is read, and kept, by this.
      read.watch_version === undefined ? notExists(watch_version) : eq(watch_version, read.watch_version),
      ...(takesOver ? [eq(lease_until, read.lease_until)] : []),
    ].join(" AND ");
}

/** The conditional write of the conversation: holds only on the state that was decided on. */
function patchConversation(
  entities: TransactionEntities,
  read: Conversation,
  change: ConversationChange,
  head: number,
  now: number,
) {
  const { tenant_id, session_id } = read;
  const { set, remove } = split(change, session_id);
  return entities.conversation
    .patch({ tenant_id, session_id })
    .set({ ...set, head, updated_at: now })
    .remove(remove as never)
    .where(isStill(read, change))
    .commit({ response: "all_old" });
}

/** A transition that appends nothing is one conditional write: half the price of a transaction. */
async function submitAlone(
  table: Table,
  read: Conversation,
  change: ConversationChange,
  now: number,
): Promise<Submitted> {
  const { tenant_id, session_id } = read;
  const { set, remove } = split(change, session_id);
  try {
    await rows(table)
      .entities.conversation.patch({ tenant_id, session_id })
      .set({ ...set, updated_at: now })
      .remove(remove as never)
      .where(isStill(read, change))
      .go();
    return { kind: "done" };
  } catch (error) {
    if (isConditionFailure(error)) return { kind: "stale" };
    throw error;
  }
}

type Submitted =
  | { kind: "done" }
  | { kind: "stale" }
  | { kind: "refused"; index: number; stored: Record<string, unknown> | null };

async function submit(
  table: Table,
  read: Conversation,
  transition: Transition<unknown>,
  now: number,
): Promise<Submitted> {
  if (transition.rows.length === 0 && !transition.extra) {
    const changes = Object.keys(transition.change).length > 0;
    return changes ? submitAlone(table, read, transition.change, now) : { kind: "done" };
  }
  const key = { tenant_id: read.tenant_id, session_id: read.session_id };
  const head = read.head + transition.rows.length;
  const answer = await rows(table)
    .transaction.write((entities) => [
      patchConversation(entities, read, transition.change, head, now),
      ...transition.rows.map((row, index) => createRow(entities, key, row, read.head + 1 + index, now)),
      ...(transition.extra?.(entities, read.head + 1) ?? []),
    ])
    .go();
  if (!answer.canceled) return { kind: "done" };
  const own = 1 + transition.rows.length;
  const refused = answer.data.findIndex((item, index) => index >= own && item?.code === "ConditionalCheckFailed");
  const stale = answer.data.slice(0, own).some((item) => item?.code === "ConditionalCheckFailed");
  if (refused < 0 || stale) return { kind: "stale" };
  return {
    kind: "refused",
    index: refused - own,
    stored: (answer.data[refused]?.item ?? null) as Record<string, unknown> | null,
  };
}

function after<T>(read: Conversation, transition: Transition<T>, now: number): Conversation {
  const next: Record<string, unknown> = { ...read, head: read.head + transition.rows.length, updated_at: now };
  for (const [name, value] of Object.entries(transition.change)) {
    if (value === null) delete next[name];
    else if (value !== undefined) next[name] = value;
  }
  return next as unknown as Conversation;
}

/** Up to here an earlier look than the one that is asked for is as good. */
const sameLookMs = 60_000;

/**
 * A look that comes sooner stays where it is: moving it in its index costs two writes, a look too many one wake-up. Far
 * deadlines move: who waits for days is not looked at each minute.
 */
function dueAfter(read: Conversation, { due_at }: ConversationChange, now: number): ConversationChange {
  if (typeof due_at !== "number" || read.due_at === undefined || due_at > now + sameLookMs) return {};
  return read.due_at > now && read.due_at <= due_at ? { due_at: read.due_at } : {};
}

/** The decision with what belongs to it wherever it came from: the marks of outbox and inbox, and what the tenant's rows get back. */
function whole<T>(read: Conversation, asked: Transition<T>, now: number): Transition<T> {
  const due = dueAfter(read, asked.change, now);
  const outside = { ...due, ...outboxMark(read, asked.rows, now), ...inboxChange(read, asked, now) };
  const marked = { ...asked, change: { ...asked.change, ...outside } };
  const { change, items } = mirror(read, after(read, marked, now));
  const unread = unreadMarks(read, asked.rows, now);
  if (!items && !unread) return marked;
  const extra: Transition<T>["extra"] = (entities, firstSeq) => [
    ...(asked.extra?.(entities, firstSeq) ?? []),
    ...(items?.(entities) ?? []),
    ...(unread?.(entities) ?? []),
  ];
  return { ...marked, change: { ...marked.change, ...change }, extra };
}

/**
 * The only way a session moves: decide on what is stored, write it all in one transaction, on conflict read and decide
 * again. Throws `not_found` without a conversation, `busy` after 8 conflicts in a row, and `session_copying` where a fork
 * would write to its log before it is open.
 */
export async function transition<T>(
  deps: ConversationDeps,
  key: SessionKey,
  decide: Decide<T>,
  known: Conversation | null = null,
): Promise<Outcome<T>> {
  let read = known;
  for (let attempt = 0; attempt < maxTries; attempt += 1) {
    read ??= await readConversation(deps.table, key);
    if (!read) throw new AppError("not_found");
    const now = deps.clock.now();
    const asked = decide(read, now);
    if (!asked) return { kind: "declined", conversation: read };
    if (read.copying && asked.rows.length > 0 && asked.change.copying !== null) throw new AppError("session_copying");
    const decided = whole(read, asked, now);
    await storeBodies(deps.objects, key, decided.rows);
    const submitted = await submit(deps.table, read, decided, now);
    if (submitted.kind === "refused") return submitted;
    if (submitted.kind === "done") {
      const first = read.head + 1;
      const appended = decided.rows.map((row, index) => ({ ...row, seq: first + index, at: now }));
      return { kind: "committed", result: decided.result, rows: appended, conversation: after(read, decided, now) };
    }
    read = null;
    await deps.clock.sleep(deps.ids.random() * 10 * 2 ** attempt);
  }
  throw new AppError("busy");
}
