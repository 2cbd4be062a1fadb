import type { Conversation, ConversationChange, Transition } from "../conversation/conversation.ts";
import { wakeUpGraceMs } from "../turn/waits.ts";
import { lossOf, relaunchAfterMs } from "./container.decisions.ts";
import type { Container } from "./container.ts";

/** Who wants a container asks again after this, or goes without. */
export const wishMs = 60_000;
/** The same wish is not written twice within this. */
const renewMs = wishMs / 2;

/** Somebody waits for a container, whether a turn runs or not: the worker starts one when it looks. */
export function wishContainer(conversation: Conversation, now: number): Transition<null> {
  const until = conversation.container_wanted_until ?? 0;
  if (until > now + wishMs - renewMs) return { rows: [], change: {}, result: null };
  const due = conversation.phase === "none" ? { due_at: now + wakeUpGraceMs } : {};
  return {
    rows: [],
    change: { container_wanted_until: now + wishMs, container_refused: null, ...due },
    result: null,
  };
}

export interface Refusal {
  code: string;
  message: string;
}

/** What a look leaves of the wish, given the container that it found or started. */
export function keepWish(
  conversation: Conversation,
  found: { container: Container | null; refusal: Refusal | null },
  now: number,
): Transition<{ isOpen: boolean }> | null {
  const until = conversation.container_wanted_until;
  if (until === undefined) return null;
  const isOver = found.refusal !== null || until <= now || isUsable(found.container, now);
  const isIdle = conversation.phase === "none";
  if (!isOver) {
    const change: ConversationChange = isIdle ? { due_at: now + relaunchAfterMs + wakeUpGraceMs } : {};
    return { rows: [], change, result: { isOpen: true } };
  }
  const change: ConversationChange = {
    container_wanted_until: null,
    ...(found.refusal ? { container_refused: { ...found.refusal, at: now } } : {}),
    // What is being done with the workspace has a look of its own.
    ...(isIdle && conversation.operation === undefined ? { due_at: null } : {}),
  };
  return { rows: [], change, result: { isOpen: false } };
}

/** It takes work, as far as the table knows. */
export function isUsable(container: Container | null, now: number): boolean {
  return container?.status === "ready" && lossOf(container, now) === null;
}
