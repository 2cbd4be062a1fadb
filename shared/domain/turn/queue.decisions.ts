import { AppError } from "../../errors.ts";
import type { QueueAnswer } from "../../protocol/conversation.ts";
import type { Conversation, Transition } from "../conversation/conversation.ts";
import { type QueuedTurn, queueUpdated } from "./turn.decisions.ts";

const idsOf = (queue: QueuedTurn[]) => queue.map(({ turn_id }) => turn_id);

/** The prompt stays on the log, but its turn never begins. Throws `not_found` where it does not wait (any more). */
export function cancelQueued(conversation: Conversation, turnId: string): Transition<QueueAnswer> {
  const queue = conversation.queue.filter(({ turn_id }) => turn_id !== turnId);
  if (queue.length === conversation.queue.length) throw new AppError("not_found", "No such prompt waits");
  return { rows: [queueUpdated(queue, [turnId])], change: { queue }, result: { turn_ids: idsOf(queue) } };
}

/** Throws `conflict`, with the present order, for anything but the same turns in another order. */
export function reorderQueue(conversation: Conversation, turnIds: string[]): Transition<QueueAnswer> {
  const present = new Map(conversation.queue.map((waiting) => [waiting.turn_id, waiting]));
  const queue = turnIds.map((id) => present.get(id)).filter((waiting) => waiting !== undefined);
  const isSame =
    turnIds.length === present.size && new Set(turnIds).size === queue.length && queue.length === present.size;
  if (!isSame) {
    const issues = [...present.keys()].map((message, index) => ({ path: `turn_ids.${index}`, message }));
    throw new AppError("conflict", "Other prompts wait now; the errors name them in their order", { issues });
  }
  const result = { turn_ids: idsOf(queue) };
  const isMoved = idsOf(conversation.queue).some((id, index) => id !== turnIds[index]);
  return isMoved ? { rows: [queueUpdated(queue)], change: { queue }, result } : { rows: [], change: {}, result };
}
