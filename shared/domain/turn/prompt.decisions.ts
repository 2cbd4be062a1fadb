import { AppError } from "../../errors.ts";
import type { Delivery } from "../../protocol/client-frame.ts";
import type { ContentBlock } from "../../protocol/content.ts";
import { maxQueuedPrompts } from "../../protocol/limits.ts";
import { holdsTurns, startsLater } from "../checkpoint/operation.decisions.ts";
import type { Conversation, Transition } from "../conversation/conversation.ts";
import type { EventRow, MessageRow } from "../timeline/row.ts";
import type { EndedCall } from "../tool-call/result.decisions.ts";
import { interruptTurn } from "./interrupt.decisions.ts";
import { type QueuedTurn, queueUpdated, startTurn, turnStarted } from "./turn.decisions.ts";

export interface Prompt {
  turn_id: string;
  message_id: string;
  user_id: string;
  content: ContentBlock[];
}

export interface Accepted {
  turn_id: string;
  queued: boolean;
  /** Joins a running turn: not a turn of its own. */
  steers: boolean;
  /** After how long somebody should look; null where nothing changed for a worker. */
  wakeInMs: number | null;
  /** The open calls got results in the same transition. */
  answersCalls: boolean;
}

const looksOnce = { steers: false, wakeInMs: 0, answersCalls: false };

/** No turn runs: this prompt's begins, or the one that has waited longest since the queue was held. */
function beginTurn(
  conversation: Conversation,
  message: MessageRow,
  entry: QueuedTurn,
  isFirst: boolean,
  now: number,
): Transition<Accepted> {
  const waiting = isFirst ? [entry, ...conversation.queue] : [...conversation.queue, entry];
  const [next = entry, ...queue] = waiting;
  const moved: EventRow[] = waiting.length > 1 ? [queueUpdated(queue)] : [];
  const queued = next.turn_id !== entry.turn_id;
  return {
    rows: [message, ...moved, turnStarted(next.turn_id)],
    change: { ...startTurn(next, now), queue },
    result: { ...looksOnce, turn_id: entry.turn_id, queued },
  };
}

function enqueue(
  conversation: Conversation,
  message: MessageRow,
  queue: QueuedTurn[],
  limit: number,
): Transition<Accepted> {
  if (conversation.queue.length >= limit) throw new AppError("queue_full");
  const result = { ...looksOnce, turn_id: message.turn_id, queued: true, wakeInMs: null };
  return { rows: [message, queueUpdated(queue)], change: { queue }, result };
}

/** No turn runs, but none may begin: its files are being set back. */
function holdPrompt(
  conversation: Conversation,
  message: MessageRow,
  queue: QueuedTurn[],
  limit: number,
): Transition<Accepted> {
  const held = enqueue(conversation, message, queue, limit);
  return { ...held, change: { ...held.change, ...startsLater(conversation) } };
}

/** T1: the prompt joins the log, and the turn that it starts, steers or waits for. Throws `queue_full`. */
export function acceptPrompt(
  conversation: Conversation,
  prompt: Prompt,
  delivery: Exclude<Delivery, "interrupt">,
  now: number,
): Transition<Accepted> {
  const { phase, queue, turn_id: running, interrupt_at } = conversation;
  const message: MessageRow = { kind: "message", role: "user", ...prompt };
  const prompt_seq = conversation.head + 1;
  const entry = { turn_id: prompt.turn_id, user_id: prompt.user_id, prompt_seq };
  if (phase === "none" && holdsTurns(conversation))
    return holdPrompt(conversation, message, [...queue, entry], maxQueuedPrompts);
  if (phase === "none") return beginTurn(conversation, message, entry, false, now);
  const steers = delivery === "steer" && phase !== "checkpoint" && interrupt_at === undefined;
  if (!steers || !running) return enqueue(conversation, message, [...queue, entry], maxQueuedPrompts);
  return {
    rows: [{ ...message, turn_id: running }],
    change: { steer_seq: prompt_seq },
    result: { ...looksOnce, turn_id: running, queued: false, steers: true },
  };
}

/**
 * T1 for a prompt that goes before all that wait, and ends the turn `target` for it. One place of the queue is kept for
 * such a prompt. Null where the open calls were not read with this state.
 */
export function acceptUrgent(
  conversation: Conversation,
  prompt: Prompt,
  target: string | null,
  open: EndedCall[],
  now: number,
): Transition<Accepted> | null {
  const message: MessageRow = { kind: "message", role: "user", ...prompt };
  const entry = { turn_id: prompt.turn_id, user_id: prompt.user_id, prompt_seq: conversation.head + 1 };
  if (conversation.phase === "none" && holdsTurns(conversation))
    return holdPrompt(conversation, message, [entry, ...conversation.queue], maxQueuedPrompts + 1);
  if (conversation.phase === "none") return beginTurn(conversation, message, entry, true, now);
  const ending = interruptTurn(conversation, target, open, now);
  if (!ending) return null;
  const waits = enqueue(conversation, message, [entry, ...conversation.queue], maxQueuedPrompts + 1);
  const { wakeInMs, answersCalls } = ending.result;
  return {
    rows: [...waits.rows, ...ending.rows],
    change: { ...ending.change, ...waits.change },
    result: { ...waits.result, wakeInMs, answersCalls },
  };
}
