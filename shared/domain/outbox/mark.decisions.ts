import type { Conversation, ConversationChange } from "../conversation/conversation.ts";
import type { NewRow } from "../timeline/row.ts";
import { isOutward } from "./outward.decisions.ts";

/** The publisher is woken after the commit: only from then on does the sweeper look after it. */
export const publishGraceMs = 15_000;
export const publishShards = 4;

export function publishShardOf(sessionId: string): string {
  return String(Number.parseInt(sessionId.slice(0, 2), 16) % publishShards);
}

/**
 * What a commit of these rows adds to the conversation so that they will be published: nothing, where all stay inside.
 * The earliest mark stays, so that a busy session cannot put it off; it is written again all the same, since the publisher
 * may have taken it away after this state was read. Publishing begins with the first row that is marked: what a session was
 * created or forked with is nobody's news.
 */
export function outboxMark(read: Conversation, rows: NewRow[], now: number): ConversationChange {
  if (!rows.some(isOutward)) return {};
  return {
    publish_due_at: read.publish_due_at ?? now + publishGraceMs,
    publish_shard: publishShardOf(read.session_id),
    ...(read.published_seq === undefined ? { published_seq: read.head } : {}),
  };
}
