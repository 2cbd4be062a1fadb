import { AppError } from "../../errors.ts";
import type { ContentBlock, ToolUseBlock, Usage } from "../../protocol/content.ts";
import type { Delivery } from "../../protocol/client-frame.ts";
import type { ErrorCode } from "../../protocol/error-code.ts";
import { maxQueuedPrompts, maxStepsPerTurn, maxToolCallsPerStep } from "../../protocol/limits.ts";
import type { TurnEndReason } from "../../protocol/server-event.ts";
import type { StopReason } from "../../ports/model.ts";
import type { Conversation, ConversationChange, Transition } from "../conversation/conversation.ts";
import type { CheckpointRow, EventRow, MessageRow, NewRow } from "../timeline/row.ts";
import type * as z from "zod";

/** How long a worker owns a step without renewing; renewed while the model streams. */
export const leaseMs = 45_000;
/** How long a lost wake-up may go unnoticed before the sweeper looks. */
const wakeUpGraceMs = 10_000;
/** `turn.ended` waits this long for the turn's checkpoint. */
export const checkpointWaitMs = 10_000;
/** Past this the model counts as down and the turn ends. */
const maxModelWaitMs = 15 * 60_000;

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
  if (conversation.step >= maxStepsPerTurn) return { kind: "end_turn", ending: { reason: "max_steps", error: null } };
  return { kind: "run_step" };
}

export function endingOf(conversation: Conversation): TurnEnding {
  return conversation.ending ? (JSON.parse(conversation.ending) as TurnEnding) : { reason: "completed", error: null };
}

function startTurn(turn: { turn_id: string; user_id: string; prompt_seq: number }, now: number): ConversationChange {
  return {
    status: "running", phase: "model", turn_id: turn.turn_id, turn_user_id: turn.user_id,
    prompt_seq: turn.prompt_seq, step: 0,
    lease_until: 0, pending_calls: 0, waiting_since: 0, losses: 0, ending: null, deadline_at: null, steer_seq: null,
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

/** T2: this worker takes the step; whoever held it before can no longer commit. */
export function claimStep(conversation: Conversation, now: number): Transition<null> | null {
  if (nextMove(conversation, now).kind !== "run_step") return null;
  const lease_until = now + leaseMs;
  return {
    rows: [],
    change: { fence: conversation.fence + 1, lease_until, due_at: lease_until + wakeUpGraceMs },
    result: null,
  };
}

/** A claim as its holder remembers it. */
export interface Claim {
  turn_id: string;
  step: number;
  fence: number;
}

export function holds(conversation: Conversation, claim: Claim): boolean {
  const { turn_id, step, fence } = claim;
  return (
    conversation.phase === "model" &&
    conversation.turn_id === turn_id && conversation.step === step && conversation.fence === fence
  );
}

export function renewLease(conversation: Conversation, claim: Claim, now: number): Transition<null> | null {
  if (!holds(conversation, claim)) return null;
  const lease_until = now + leaseMs;
  return { rows: [], change: { lease_until, due_at: lease_until + wakeUpGraceMs }, result: null };
}

export interface Answer {
  message_id: string;
  content: ContentBlock[];
  stopReason: StopReason;
  usage: Usage;
  /** The head of the timeline that the model saw. */
  seenHead: number;
}

export function toolUses(content: ContentBlock[]): ToolUseBlock[] {
  return content.filter((block): block is ToolUseBlock => block.type === "tool_use");
}

function endingFor(stopReason: StopReason): TurnEnding | null {
  switch (stopReason) {
    case "end_turn":
    case "stop_sequence":
      return { reason: "completed", error: null };
    case "refusal":
      return { reason: "refused", error: null };
    case "max_tokens":
      return { reason: "error", error: { code: "model_output_limit", message: "The answer reached its length limit" } };
    case "context_window_exceeded":
      return { reason: "error", error: { code: "context_full", message: "The conversation no longer fits the model" } };
    case "tool_use":
    case "pause_turn":
      return null;
  }
}

export interface StepResult {
  /** The calls to hand to the sandbox, at most 32. */
  calls: ToolUseBlock[];
  ended: boolean;
}

const tooMany = `Not run: at most ${maxToolCallsPerStep} tool calls fit one step. Ask for the rest in the next one.`;

function refusedCall(turn_id: string, call: ToolUseBlock, output: string): EventRow {
  const data = {
    call_id: call.id, name: call.name, is_error: true, output, output_bytes: output.length,
    truncated: false, object_key: null, duration_ms: null,
  };
  return { kind: "event", type: "tool.completed", turn_id, data };
}

function startedCall(turn_id: string, call: ToolUseBlock): EventRow {
  const data = { call_id: call.id, name: call.name, input: call.input };
  return { kind: "event", type: "tool.started", turn_id, data };
}

/** T3: the answer, its calls and what follows from it. Null when the step is no longer this worker's. */
export function commitStep(
  conversation: Conversation,
  claim: Claim,
  answer: Answer,
  hasWorkspace: boolean,
  now: number,
): Transition<StepResult> | null {
  if (!holds(conversation, claim)) return null;
  const { turn_id, step } = claim;
  const { message_id, content, usage, seenHead } = answer;
  const message: MessageRow = {
    kind: "message", role: "assistant", turn_id, message_id, content, usage, step, seen_head: seenHead,
  };
  const taken: ConversationChange = { step: step + 1, lease_until: 0, waiting_since: 0 };
  const wanted = answer.stopReason === "tool_use" ? toolUses(content) : [];
  const calls = wanted.slice(0, maxToolCallsPerStep);
  if (calls.length > 0) {
    const rest = wanted.slice(maxToolCallsPerStep).map((call) => refusedCall(turn_id, call, tooMany));
    const rows: NewRow[] = [message, ...calls.map((call) => startedCall(turn_id, call)), ...rest];
    const change: ConversationChange = {
      ...taken, status: "tools", phase: "tools", pending_calls: calls.length, due_at: now + wakeUpGraceMs,
    };
    return { rows, change, result: { calls, ended: false } };
  }
  const ending = endingFor(answer.stopReason);
  const unanswered = toolUses(content).map((call) => refusedCall(turn_id, call, "Not run: the answer was cut."));
  const steered = ending?.reason === "completed" && (conversation.steer_seq ?? 0) > seenHead;
  if (!ending || steered) return { rows: [message], change: { ...taken, due_at: now + wakeUpGraceMs }, result: { calls: [], ended: false } };
  const end = finish({ ...conversation, step: step + 1 }, ending, hasWorkspace, now);
  return {
    rows: [message, ...unanswered, ...end.rows],
    change: { ...taken, ...end.change },
    result: { calls: [], ended: true },
  };
}

/** The turn has its answer (or its failure): wait for the checkpoint where there is a workspace to keep. */
function finish(conversation: Conversation, ending: TurnEnding, hasWorkspace: boolean, now: number): Transition<null> {
  if (!hasWorkspace) return endTurn(conversation, ending, { checkpoint: null, pending: false }, now);
  const deadline_at = now + checkpointWaitMs;
  return {
    rows: [],
    change: {
      status: "running", phase: "checkpoint", lease_until: 0, deadline_at, due_at: deadline_at, ending: JSON.stringify(ending),
    },
    result: null,
  };
}

/** The model can not answer this step at all. */
export function failStep(
  conversation: Conversation,
  claim: Claim,
  error: { code: ErrorCode; message: string },
  hasWorkspace: boolean,
  now: number,
): Transition<null> | null {
  if (!holds(conversation, claim)) return null;
  return finish(conversation, { reason: "error", error }, hasWorkspace, now);
}

/** The model refused for now: give the step back and say when to try again. Past the cap the turn ends. */
export function postponeStep(
  conversation: Conversation,
  claim: Claim,
  delayMs: number,
  hasWorkspace: boolean,
  now: number,
): Transition<{ waits: boolean }> | null {
  if (!holds(conversation, claim)) return null;
  const waiting_since = conversation.waiting_since || now;
  if (now - waiting_since > maxModelWaitMs) {
    const error = { code: "model_unavailable" as const, message: "The model did not answer for 15 minutes" };
    return { ...finish(conversation, { reason: "error", error }, hasWorkspace, now), result: { waits: false } };
  }
  return {
    rows: [],
    change: { fence: conversation.fence + 1, lease_until: 0, waiting_since, due_at: now + delayMs + wakeUpGraceMs },
    result: { waits: true },
  };
}

export interface CallResult {
  call_id: string;
  name: string;
  is_error: boolean;
  output: string;
  output_bytes: number;
  object_key: string | null;
  duration_ms: number | null;
}

/** T4: results join the log; the last pending one gives the turn back to the model. */
export function completeCalls(
  conversation: Conversation,
  turn_id: string,
  results: CallResult[],
  now: number,
): Transition<{ last: boolean }> | null {
  if (conversation.phase !== "tools" || conversation.turn_id !== turn_id) return null;
  if (results.length > conversation.pending_calls) return null;
  const pending_calls = conversation.pending_calls - results.length;
  const rows = results.map((result): EventRow => {
    const truncated = result.output_bytes > Buffer.byteLength(result.output);
    return { kind: "event", type: "tool.completed", turn_id, data: { ...result, truncated } };
  });
  const last = pending_calls === 0;
  const next: ConversationChange = last ? { status: "running", phase: "model", lease_until: 0, due_at: now + wakeUpGraceMs } : {};
  return { rows, change: { pending_calls, ...next }, result: { last } };
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
  return { rows: [...(answered?.rows ?? []), ...end.rows], change: { ...answered?.change, ...end.change }, result: null };
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
    return { rows: [...rows, queueUpdated(queue), started], change: { ...kept, ...startTurn(next, now), queue }, result: null };
  }
  const idle: ConversationChange = {
    status: ending.reason === "error" ? "failed" : "idle",
    phase: "none", turn_id: null, turn_user_id: null, lease_until: 0, pending_calls: 0,
    waiting_since: 0, ending: null, deadline_at: null, due_at: null, steer_seq: null,
    prompt_seq: null,
  };
  return { rows, change: { ...kept, ...idle }, result: null };
}
