import { rows, type Table } from "../../data/service.ts";
import { InboxStatus } from "../../protocol/session.ts";
import { maxCounted, type InboxCounts } from "../../protocol/inbox.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import { attentionOf, counterShardOf, unreadOf } from "./inbox.decisions.ts";

/** For the transaction that makes a session, moves it from one status to another, or deletes it. */
export function countItems(
  entities: TransactionEntities,
  { tenant_id, session_id }: SessionKey,
  from: InboxStatus | null,
  to: InboxStatus | null,
): TransactionItem[] {
  if (from === to) return [];
  const shard = counterShardOf(session_id);
  const change = { ...(from ? { [from]: -1 } : {}), ...(to ? { [to]: 1 } : {}) };
  return [entities.inboxCounter.upsert({ tenant_id, shard }).add(change).commit()];
}

async function countByStatus(table: Table, tenant_id: string): Promise<InboxCounts["inbox_status"]> {
  const found = await rows(table).entities.inboxCounter.query.byShard({ tenant_id }).go({ pages: "all" });
  const sum = (status: InboxStatus) => found.data.reduce((all, shard) => all + (shard[status] ?? 0), 0);
  const counts = InboxStatus.options.map((status) => [status, Math.max(0, sum(status))]);
  return Object.fromEntries(counts) as InboxCounts["inbox_status"];
}

interface Found {
  data: { session_id: string }[];
  cursor: string | null;
}

/** As many ids as anybody counts: no row behind them is read. */
async function countedIds(read: (cursor: string | null, limit: number) => Promise<Found>): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const found: Found = await read(cursor, maxCounted - ids.length);
    ids.push(...found.data.map(({ session_id }) => session_id));
    ({ cursor } = found);
  } while (cursor !== null && ids.length < maxCounted);
  return ids;
}

const onlyIds = { attributes: ["session_id" as const], order: "desc" as const };

function needingPerson(table: Table, tenant_id: string, status: "waiting" | "failed"): Promise<string[]> {
  const attention_of = attentionOf(tenant_id, status);
  const query = rows(table).entities.conversation.query.needsPerson({ attention_of });
  return countedIds((cursor, limit) => query.go({ ...onlyIds, cursor, limit }));
}

function unreadBy(table: Table, tenant_id: string, user_id: string): Promise<string[]> {
  const unread_of = unreadOf(tenant_id, user_id);
  const query = rows(table).entities.inboxMark.query.unreadOf({ unread_of });
  return countedIds((cursor, limit) => query.go({ ...onlyIds, cursor, limit }));
}

/** The statuses are counted when they change; what needs a person is looked up, as far as anybody counts it. */
export async function countInbox(table: Table, tenant_id: string, user_id: string): Promise<InboxCounts> {
  const [inbox_status, waiting, failed, unread] = await Promise.all([
    countByStatus(table, tenant_id),
    needingPerson(table, tenant_id, "waiting"),
    needingPerson(table, tenant_id, "failed"),
    unreadBy(table, tenant_id, user_id),
  ]);
  const needing = new Set([...waiting, ...failed, ...unread]).size;
  return { inbox_status, unread: unread.length, needs_attention: Math.min(needing, maxCounted) };
}
