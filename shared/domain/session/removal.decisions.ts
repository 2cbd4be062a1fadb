import type { Conversation, ConversationChange } from "../conversation/conversation.ts";

/** Why a deleted session's containers end. */
export const deletedReason = "the session was deleted";

/** A lost job is sent again after this. */
export const jobGraceMs = 60_000;
/** How long a job may run before another one is sent. */
export const jobLeaseMs = 10 * 60_000;
/** What was under way at the deletion (a presigned upload above all) has arrived by then: the last look is after it. */
export const lateMs = 20 * 60_000;

export const removalShards = 4;

export function removalShardOf(sessionId: string): string {
  return String(Number.parseInt(sessionId.slice(0, 2), 16) % removalShards);
}

/**
 * Nothing moves any more: whoever works on a step has lost it, and nobody takes another. The row itself stays until all
 * others are gone.
 */
export function buryConversation(conversation: Conversation, now: number): ConversationChange {
  return {
    status: "idle",
    phase: "none",
    fence: conversation.fence + 1,
    queue: [],
    lease_until: 0,
    pending_calls: 0,
    person_calls: null,
    person_due_at: null,
    waiting_since: 0,
    turn_id: null,
    turn_user_id: null,
    prompt_seq: null,
    steer_seq: null,
    interrupt_at: null,
    ending: null,
    deadline_at: null,
    due_at: null,
    reserved: null,
    publish_due_at: null,
    publish_shard: null,
    deleted_at: now,
  };
}
