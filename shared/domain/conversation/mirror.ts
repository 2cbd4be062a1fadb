import { release } from "../budget/reservation.ts";
import { giveBack } from "../quota/quota.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import type { Conversation, ConversationChange } from "./conversation.ts";

/** Prompts that run or wait. */
export function promptsOf(conversation: Pick<Conversation, "phase" | "queue">): number {
  return (conversation.phase === "none" ? 0 : 1) + conversation.queue.length;
}

export interface Mirrored {
  change: ConversationChange;
  items: ((entities: TransactionEntities) => TransactionItem[]) | null;
}

/**
 * What the tenant's rows held for this session and no longer do after a change: the budget of a step that is over, the
 * quota of prompts that ended. Given back in the change's own transaction, whichever path led to it, so that nothing
 * leaks and nothing is given back twice.
 */
export function mirror(read: Conversation, next: Conversation): Mirrored {
  const { tenant_id, reserved } = read;
  const released = next.reserved ? undefined : reserved;
  const counted = next.counted ?? 0;
  const over = Math.max(0, counted - promptsOf(next));
  if (!released && over === 0) return { change: {}, items: null };
  return {
    change: over > 0 ? { counted: counted - over } : {},
    items: (entities) => [
      ...(released ? release(entities, tenant_id, released) : []),
      ...(over > 0 ? [giveBack(entities, tenant_id, "promptsInFlight", over)] : []),
    ],
  };
}
