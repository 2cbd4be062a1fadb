import * as z from "zod";
import { SessionId, Timestamp } from "./ids.ts";
import { InboxStatus, ListSessionsQuery, Session } from "./session.ts";

export const SessionStatus = z.enum(["idle", "running", "tools", "waiting", "failed"]);

/** `approval`: a person has to decide. `failed`: the last turn did. `unread`: an answer that the caller has not read. */
export const AttentionReason = z.enum(["approval", "failed", "unread"]);
export type AttentionReason = z.infer<typeof AttentionReason>;

/** A session as its reader finds it: `unread` and what follows from it are the caller's own. */
export const InboxItem = z.object({
  session: Session,
  status: SessionStatus,
  last_activity_at: Timestamp,
  unread: z.boolean(),
  needs_attention: z.boolean(),
  reasons: z.array(AttentionReason),
});
export type InboxItem = z.infer<typeof InboxItem>;

export const ListInboxQuery = ListSessionsQuery.extend({ needs_attention: z.literal("true").optional() });
export type ListInboxQuery = z.infer<typeof ListInboxQuery>;

/** `unread` and `needs_attention` count to here: this many, or more. */
export const maxCounted = 1000;

export const InboxCounts = z.object({
  inbox_status: z.record(InboxStatus, z.number().int().nonnegative()),
  unread: z.number().int().nonnegative().max(maxCounted),
  needs_attention: z.number().int().nonnegative().max(maxCounted),
});
export type InboxCounts = z.infer<typeof InboxCounts>;

/** Everything up to here is read; what lies behind the log's end counts as its end. */
export const MarkReadRequest = z.strictObject({ seq: z.number().int().nonnegative() });

export const MarkReadAnswer = z.object({
  session_id: SessionId,
  /** The furthest that was ever marked. */
  read_seq: z.number().int().nonnegative(),
  unread: z.boolean(),
});
export type MarkReadAnswer = z.infer<typeof MarkReadAnswer>;
