import { AppError } from "../../errors.ts";
import type { ContentBlock } from "../../protocol/content.ts";
import type { Delivery } from "../../protocol/client-frame.ts";
import type { ErrorCode } from "../../protocol/error-code.ts";
import { maxQueuedPrompts, maxStepsPerTurn } from "../../protocol/limits.ts";
import type { TurnEndReason } from "../../protocol/server-event.ts";
import type { Conversation, ConversationChange, Transition } from "../conversation/conversation.ts";
import type { CheckpointRow, EventRow, MessageRow, NewRow } from "../timeline/row.ts";
import { type CallResult, completeCalls } from "../tool-call/result.decisions.ts";
import { wakeUpGraceMs } from "./waits.ts";
import type * as z from "zod";

export interface TurnEnding {
  reason: z.infer<typeof TurnEndReason>;
  error: { code: ErrorCode; message: string } | null;
}

export interface Prompt {
  turn_id: string;
  message_id: string;
  user_id: string;
  content: ContentBlock[];
}

/** Workers that may die over one step, or fail at it: then it is the step. */
const maxAttempts = 5;
const tooManyAttempts = { code: "internal" as const, message: "The step failed again and again" };

/** What a running turn needs next. */
export type Move =
  | { kind: "rest" }
  /** Somebody holds the lease. */
  | { kind: "leave" }
  | { kind: "run_step" }
  | { kind: "end_turn"; ending: TurnEnding }
  | { kind: "watch_tools" }
  | { kind: "await_checkpoint" };

export function nextMove(conversation: Conversation, now: number): Move {
  if (conversation.phase === "none") return { kind: "rest" };
  if (conversation.phase === "tools") return { kind: "watch_tools" };
  if (conversation.phase === "checkpoint") {
    const due = (conversation.deadline_at ?? 0) <= now;
    return due ? { kind: "end_turn", ending: endingOf(conversation) } : { kind: "await_checkpoint" };
  }
  if (conversation.lease_until > now) return { kind: "leave" };
  if (conversation.attempts >= maxAttempts)
    return { kind: "end_turn", ending: { reason: "error", error: tooManyAttempts } };
  if (conversation.step >= maxStepsPerTurn) return { kind: "end_turn", ending: { reason: "max_steps", error: null } };
  return { kind: "run_step" };
}

export function endingOf(conversation: Conversation): TurnEnding {
  return conversation.ending ? (JSON.parse(conversation.ending) as TurnEnding) : { reason: "completed", error: null };
}

function startTurn(turn: { turn_id: string; user_id: string; prompt_seq: number }, now: number): ConversationChange {
  return {
    status: "running",
    phase: "model",
    turn_id: turn.turn_id,
    turn_user_id: turn.user_id,
    prompt_seq: turn.prompt_seq,
    step: 0,
    lease_until: 0,
    pending_calls: 0,
    waiting_since: 0,
    attempts: 0,
    losses: 0,
    ending: null,
    deadline_at: null,
    steer_seq: null,
    due_at: now + wakeUpGraceMs,
  };
}

function queueUpdated(queue: Conversation["queue"]): EventRow {
  return { kind: "event", type: "queue.updated", data: { turn_ids: queue.map((waiting) => waiting.turn_id) } };
}

/** T1: the prompt joins the log, and the turn that it starts, steers or waits for. Throws `queue_full`. */
export function acceptPrompt(
  conversation: Conversation,
  prompt: Prompt,
  delivery: Delivery,
  now: number,
): Transition<{ turn_id: string; queued: boolean }> {
  const message: MessageRow = { kind: "message", role: "user", ...prompt };
  const prompt_seq = conversation.head + 1;
  if (conversation.phase === "none") {
    const started: EventRow = { kind: "event", type: "turn.started", turn_id: prompt.turn_id, data: {} };
    const change = startTurn({ ...prompt, prompt_seq }, now);
    return { rows: [message, started], change, result: { turn_id: prompt.turn_id, queued: false } };
  }
  const steers = delivery === "steer" && conversation.phase !== "checkpoint";
  if (steers && conversation.turn_id) {
    const turn_id = conversation.turn_id;
    return { rows: [{ ...message, turn_id }], change: { steer_seq: prompt_seq }, result: { turn_id, queued: false } };
  }
  if (conversation.queue.length >= maxQueuedPrompts) throw new AppError("queue_full");
  const queue = [...conversation.queue, { turn_id: prompt.turn_id, user_id: prompt.user_id, prompt_seq }];
  return { rows: [message, queueUpdated(queue)], change: { queue }, result: { turn_id: prompt.turn_id, queued: true } };
}
/** The turn can not go on, whatever it waits for: its open calls get results, so that the log stays sendable. */
export function abandonTurn(
  conversation: Conversation,
  ending: TurnEnding,
  open: CallResult[],
  now: number,
): Transition<null> | null {
  if (conversation.phase === "none") return null;
  const answered = open.length > 0 ? completeCalls(conversation, conversation.turn_id ?? "", open, now) : null;
  if (open.length > 0 && !answered) return null;
  const end = endTurn(conversation, ending, { checkpoint: null, pending: false }, now);
  return {
    rows: [...(answered?.rows ?? []), ...end.rows],
    change: { ...answered?.change, ...end.change },
    result: null,
  };
}

export interface CheckpointOutcome {
  checkpoint: CheckpointRow | null;
  /** The workspace may have changed, but its checkpoint is not there yet. */
  pending: boolean;
}

/** The checkpoint becomes the session's newest. `seq` is where its row goes. */
export function keepCheckpoint(checkpoint: CheckpointRow, seq: number): ConversationChange {
  return { checkpoint: checkpoint.number, checkpoint_seq: seq, checkpoint_commit: checkpoint.commit };
}

/** T5: the turn is over; the next one in the queue starts in the same transaction. */
export function endTurn(
  conversation: Conversation,
  ending: TurnEnding,
  outcome: CheckpointOutcome,
  now: number,
): Transition<null> {
  const { checkpoint } = outcome;
  const number = checkpoint?.number ?? (conversation.checkpoint || null);
  const ended: EventRow = {
    kind: "event",
    type: "turn.ended",
    turn_id: conversation.turn_id,
    data: { ...ending, steps: conversation.step, checkpoint: number, checkpoint_pending: outcome.pending },
  };
  const rows: NewRow[] = checkpoint ? [checkpoint, ended] : [ended];
  const kept = checkpoint ? keepCheckpoint(checkpoint, conversation.head + 1) : {};
  const [next, ...queue] = conversation.queue;
  if (next) {
    const started: EventRow = { kind: "event", type: "turn.started", turn_id: next.turn_id, data: {} };
    return {
      rows: [...rows, queueUpdated(queue), started],
      change: { ...kept, ...startTurn(next, now), queue },
      result: null,
    };
  }
  const idle: ConversationChange = {
    status: ending.reason === "error" ? "failed" : "idle",
    phase: "none",
    turn_id: null,
    turn_user_id: null,
    lease_until: 0,
    pending_calls: 0,
    waiting_since: 0,
    ending: null,
    deadline_at: null,
    due_at: null,
    steer_seq: null,
    prompt_seq: null,
  };
  return { rows, change: { ...kept, ...idle }, result: null };
}
