import type { ErrorCode } from "../../protocol/error-code.ts";
import { maxStepsPerTurn } from "../../protocol/limits.ts";
import type { TurnEndReason } from "../../protocol/server-event.ts";
import type { Conversation, ConversationChange, Transition } from "../conversation/conversation.ts";
import type { CheckpointRow, EventRow, NewRow } from "../timeline/row.ts";
import { completeCalls, type EndedCall } from "../tool-call/result.decisions.ts";
import { checkpointWaitMs, clockSkewMs, interruptGraceMs, wakeUpGraceMs } from "./waits.ts";

export interface TurnEnding {
  reason: TurnEndReason;
  error: { code: ErrorCode; message: string } | null;
  /** The next turn would end the same way: the prompts that wait stay, until another one is sent. */
  holds_queue?: true;
}

export const interrupted: TurnEnding = { reason: "interrupted", error: null };

/** Workers that may die over one step, or fail at it: then it is the step. */
const maxAttempts = 5;
const tooManyAttempts = { code: "internal" as const, message: "The step failed again and again" };

/** What a running turn needs next. */
export type Move =
  | { kind: "rest" }
  /** Somebody holds the lease. */
  | { kind: "leave" }
  | { kind: "run_step" }
  /** A step that makes room in the model's window. */
  | { kind: "compact" }
  /** The model is not asked again. */
  | { kind: "finish"; ending: TurnEnding }
  /** The checkpoint did not come in time. */
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
  const isHeld = conversation.lease_until > now;
  if (conversation.interrupt_at !== undefined) {
    const isDue = !isHeld || conversation.interrupt_at + interruptGraceMs <= now;
    return isDue ? { kind: "finish", ending: interrupted } : { kind: "leave" };
  }
  if (isHeld) return { kind: "leave" };
  // The model asked for patience: nobody asks it before, whoever wakes the session.
  if ((conversation.setbacks?.retry_at ?? 0) > now + clockSkewMs) return { kind: "leave" };
  if (conversation.attempts >= maxAttempts)
    return { kind: "finish", ending: { reason: "error", error: tooManyAttempts } };
  if (conversation.step >= maxStepsPerTurn) return { kind: "finish", ending: { reason: "max_steps", error: null } };
  const isFull = conversation.context === "filling" || conversation.context === "full";
  return { kind: isFull ? "compact" : "run_step" };
}

/** A worker is at the step, or died at it a moment ago. */
export function isAtWork({ phase, lease_until }: Conversation, now: number): boolean {
  return phase === "model" && lease_until > now;
}

/** The turn's next step may begin now. */
export function isStepDue(conversation: Conversation, now: number): boolean {
  const { kind } = nextMove(conversation, now);
  return kind === "run_step" || kind === "compact";
}

export function endingOf(conversation: Conversation): TurnEnding {
  return conversation.ending ? (JSON.parse(conversation.ending) as TurnEnding) : { reason: "completed", error: null };
}

export type QueuedTurn = Conversation["queue"][number];

export function startTurn(turn: QueuedTurn, now: number): ConversationChange {
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
    setbacks: null,
    attempts: 0,
    losses: 0,
    ending: null,
    deadline_at: null,
    steer_seq: null,
    interrupt_at: null,
    reserved: null,
    turn_cost_micro_usd: 0,
    turn_tokens: 0,
    due_at: now + wakeUpGraceMs,
  };
}

export function turnStarted(turn_id: string): EventRow {
  return { kind: "event", type: "turn.started", turn_id, data: {} };
}

export function queueUpdated(queue: QueuedTurn[], cancelled: string[] = []): EventRow {
  const turn_ids = queue.map((waiting) => waiting.turn_id);
  const data = { turn_ids, ...(cancelled.length > 0 ? { cancelled } : {}) };
  return { kind: "event", type: "queue.updated", data };
}

/** Who asked for an interrupt was told that the turn will end so. */
const promisedEnding = ({ interrupt_at }: Conversation, ending: TurnEnding) =>
  interrupt_at === undefined ? ending : interrupted;

/** The turn has its answer (or its failure): wait for the checkpoint where there is a workspace to keep. */
export function finish(
  conversation: Conversation,
  ending: TurnEnding,
  hasWorkspace: boolean,
  now: number,
): Transition<null> {
  const actual = promisedEnding(conversation, ending);
  if (!hasWorkspace) return endTurn(conversation, actual, { checkpoint: null, pending: false }, now);
  const deadline_at = now + checkpointWaitMs;
  return {
    rows: [],
    change: {
      status: "running",
      phase: "checkpoint",
      lease_until: 0,
      deadline_at,
      due_at: deadline_at,
      interrupt_at: null,
      reserved: null,
      ending: JSON.stringify(actual),
    },
    result: null,
  };
}

/**
 * The turn can not go on, whatever it waits for: its open calls get results, so that the log stays sendable. Null where
 * they were not read with this state.
 */
export function abandonTurn(
  conversation: Conversation,
  target: string | undefined,
  ending: TurnEnding,
  open: EndedCall[],
  now: number,
): Transition<{ wasRunning: boolean; answersCalls: boolean }> | null {
  const { phase, turn_id = "" } = conversation;
  if (phase === "none" || turn_id !== target)
    return { rows: [], change: {}, result: { wasRunning: false, answersCalls: false } };
  const answered = phase === "tools" ? completeCalls(conversation, turn_id, open, now) : null;
  if (phase === "tools" && !answered?.result.last) return null;
  // Once its checkpoint is waited for, a turn has its answer.
  const pending = phase === "checkpoint";
  const actual = pending ? endingOf(conversation) : promisedEnding(conversation, ending);
  const end = endTurn(conversation, actual, { checkpoint: null, pending }, now);
  return {
    rows: [...(answered?.rows ?? []), ...end.rows],
    change: { ...answered?.change, ...end.change },
    result: { wasRunning: true, answersCalls: answered !== null },
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
  const { reason, error } = ending;
  const number = checkpoint?.number ?? (conversation.checkpoint || null);
  const ended: EventRow = {
    kind: "event",
    type: "turn.ended",
    turn_id: conversation.turn_id,
    data: { reason, error, steps: conversation.step, checkpoint: number, checkpoint_pending: outcome.pending },
  };
  const rows: NewRow[] = checkpoint ? [checkpoint, ended] : [ended];
  const kept = checkpoint ? keepCheckpoint(checkpoint, conversation.head + 1) : {};
  const [next, ...queue] = conversation.queue;
  if (next && !ending.holds_queue) {
    return {
      rows: [...rows, queueUpdated(queue), turnStarted(next.turn_id)],
      change: { ...kept, ...startTurn(next, now), queue },
      result: null,
    };
  }
  const idle: ConversationChange = {
    status: reason === "error" ? "failed" : "idle",
    phase: "none",
    turn_id: null,
    turn_user_id: null,
    lease_until: 0,
    pending_calls: 0,
    waiting_since: 0,
    setbacks: null,
    ending: null,
    deadline_at: null,
    // Somebody waits for a container all the same: the next look starts it, or ends the wish.
    due_at: conversation.container_wanted_until === undefined ? null : now + wakeUpGraceMs,
    steer_seq: null,
    prompt_seq: null,
    interrupt_at: null,
    reserved: null,
    turn_cost_micro_usd: 0,
    turn_tokens: 0,
  };
  return { rows, change: { ...kept, ...idle }, result: null };
}
