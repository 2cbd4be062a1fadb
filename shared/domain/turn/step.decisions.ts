import { type ContentBlock, type ToolUseBlock, toolUses, type Usage } from "../../protocol/content.ts";
import type { ErrorCode } from "../../protocol/error-code.ts";
import { maxInlineToolOutputBytes, maxToolCallsPerStep } from "../../protocol/limits.ts";
import type { StopReason } from "../../ports/model.ts";
import type { Conversation, ConversationChange, Transition } from "../conversation/conversation.ts";
import type { EventRow, MessageRow, NewRow } from "../timeline/row.ts";
import { endTurn, nextMove, type TurnEnding } from "./turn.decisions.ts";
import { checkpointWaitMs, wakeUpGraceMs } from "./waits.ts";

/** How long a worker owns a step without renewing; renewed while the model streams. */
export const leaseMs = 45_000;
/** Past this the model counts as down and the turn ends. */
const maxModelWaitMs = 15 * 60_000;

/** T2: this worker takes the step; whoever held it before can no longer commit. */
export function claimStep(conversation: Conversation, now: number): Transition<null> | null {
  if (nextMove(conversation, now).kind !== "run_step") return null;
  const lease_until = now + leaseMs;
  return {
    rows: [],
    change: {
      fence: conversation.fence + 1,
      attempts: conversation.attempts + 1,
      lease_until,
      due_at: lease_until + wakeUpGraceMs,
    },
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
    conversation.turn_id === turn_id &&
    conversation.step === step &&
    conversation.fence === fence
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

/** Refused calls get rows of their own, as many as the transaction still holds; the transcript answers the others. */
const maxRefusedRows = 20;
export const tooManyCalls = `Not run: at most ${maxToolCallsPerStep} tool calls fit one step. Ask for the rest in the next one.`;

function refusedCall(turn_id: string, call: ToolUseBlock, output: string): EventRow {
  const data = {
    call_id: call.id,
    name: call.name,
    is_error: true,
    output,
    output_bytes: output.length,
    truncated: false,
    object_key: null,
    duration_ms: null,
  };
  return { kind: "event", type: "tool.completed", turn_id, data };
}

/** A large input is in the assistant's message already. */
function startedCall(turn_id: string, call: ToolUseBlock): EventRow {
  const isLarge = Buffer.byteLength(JSON.stringify(call.input)) > maxInlineToolOutputBytes;
  const shown = isLarge ? { input: {}, truncated: true } : { input: call.input };
  const data = { call_id: call.id, name: call.name, ...shown };
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
    kind: "message",
    role: "assistant",
    turn_id,
    message_id,
    content,
    usage,
    step,
    seen_head: seenHead,
  };
  const taken: ConversationChange = { step: step + 1, lease_until: 0, waiting_since: 0, attempts: 0 };
  const wanted = answer.stopReason === "tool_use" ? toolUses(content) : [];
  const calls = wanted.slice(0, maxToolCallsPerStep);
  if (calls.length > 0) {
    const rest = wanted
      .slice(maxToolCallsPerStep, maxToolCallsPerStep + maxRefusedRows)
      .map((call) => refusedCall(turn_id, call, tooManyCalls));
    const rows: NewRow[] = [message, ...calls.map((call) => startedCall(turn_id, call)), ...rest];
    const change: ConversationChange = {
      ...taken,
      status: "tools",
      phase: "tools",
      pending_calls: calls.length,
      due_at: now + wakeUpGraceMs,
    };
    return { rows, change, result: { calls, ended: false } };
  }
  const ending = endingFor(answer.stopReason);
  const unanswered = toolUses(content)
    .slice(0, maxToolCallsPerStep)
    .map((call) => refusedCall(turn_id, call, "Not run: the answer was cut."));
  const steered = ending?.reason === "completed" && (conversation.steer_seq ?? 0) > seenHead;
  if (!ending || steered)
    return { rows: [message], change: { ...taken, due_at: now + wakeUpGraceMs }, result: { calls: [], ended: false } };
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
      status: "running",
      phase: "checkpoint",
      lease_until: 0,
      deadline_at,
      due_at: deadline_at,
      ending: JSON.stringify(ending),
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
    change: {
      fence: conversation.fence + 1,
      attempts: 0,
      lease_until: 0,
      waiting_since,
      due_at: now + delayMs + wakeUpGraceMs,
    },
    result: { waits: true },
  };
}
