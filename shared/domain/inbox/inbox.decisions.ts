import type { Conversation, ConversationChange } from "../conversation/conversation.ts";
import { positionText } from "../session/session-keys.decisions.ts";
import type { NewRow } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";

/** Who is told of an answer: at most so many of those who prompted, the latest ones. Each is a row of the turn's last commit. */
export const maxFollowers = 10;

export const counterShards = 8;

/** Sessions of one tenant that need a person, whoever it is. */
export function attentionOf(tenant_id: string, status: "waiting" | "failed"): string {
  return `${tenant_id}#${status}`;
}

export function unreadOf(tenant_id: string, user_id: string): string {
  return `${tenant_id}#${user_id}`;
}

export function counterShardOf(sessionId: string): number {
  return Number.parseInt(sessionId.slice(-2), 16) % counterShards;
}

function followersAfter(read: Conversation, rows: NewRow[]): string[] | null {
  const before = read.followers ?? [];
  const prompting = rows.flatMap((row) => (row.kind === "message" && row.user_id ? [row.user_id] : []));
  if (prompting.every((user) => before.includes(user))) return null;
  return [...new Set([...before, ...prompting])].slice(-maxFollowers);
}

/** What a transition changes for the inbox: who follows the session, and whether it needs a person now. */
export function inboxChange(
  read: Conversation,
  { rows, change }: { rows: NewRow[]; change: ConversationChange },
  now: number,
): ConversationChange {
  const followers = followersAfter(read, rows);
  const status = change.status ?? read.status;
  const attention_of = status === "waiting" || status === "failed" ? attentionOf(read.tenant_id, status) : undefined;
  const followed = followers ? { followers } : {};
  if (attention_of === read.attention_of) return followed;
  if (attention_of === undefined) return { ...followed, attention_of: null, attention_at: null };
  return { ...followed, attention_of, attention_at: positionText({ at: now, id: read.session_id }) };
}

/** The end of a turn is something to read for everybody who prompted; null where no turn ends. */
export function unreadMarks(
  read: Conversation,
  rows: NewRow[],
  now: number,
): ((entities: TransactionEntities) => TransactionItem[]) | null {
  const ended = rows.findLastIndex((row) => row.kind === "event" && row.type === "turn.ended");
  const { tenant_id, session_id, followers = [] } = read;
  if (ended < 0 || followers.length === 0) return null;
  const unread_seq = read.head + 1 + ended;
  const unread_at = positionText({ at: now, id: session_id });
  return (entities) =>
    followers.map((user_id) =>
      entities.inboxMark
        .upsert({ tenant_id, session_id, user_id })
        .set({ unread_seq, unread_of: unreadOf(tenant_id, user_id), unread_at })
        .commit(),
    );
}
