import { type ContentBlock, type ToolUseBlock, toolUses, type Usage } from "../../protocol/content.ts";
import { interruptedOutput } from "../../protocol/conversation.ts";
import type { ErrorCode } from "../../protocol/error-code.ts";
import { maxInlineToolOutputBytes, maxToolCallsPerStep } from "../../protocol/limits.ts";
import type { StopReason } from "../../ports/model.ts";
import { tokensOf } from "../budget/budget.decisions.ts";
import type { Conversation, ConversationChange, Transition } from "../conversation/conversation.ts";
import type { EventRow, MessageRow, NewRow } from "../timeline/row.ts";
import { finish, interrupted, nextMove, type TurnEnding } from "./turn.decisions.ts";
import { wakeUpGraceMs } from "./waits.ts";

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

/** T2 where a budget is used up: the turn ends instead. */
export function refuseStep(
  conversation: Conversation,
  why: { ending: TurnEnding; rows: EventRow[] },
  hasWorkspace: boolean,
  now: number,
): Transition<null> | null {
  if (nextMove(conversation, now).kind !== "run_step") return null;
  const end = finish(conversation, why.ending, hasWorkspace, now);
  return { ...end, rows: [...why.rows, ...end.rows] };
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
  if (!holds(conversation, claim) || conversation.interrupt_at !== undefined) return null;
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

function messageOf(claim: Claim, answer: Answer): MessageRow {
  const { message_id, content, usage, seenHead: seen_head } = answer;
  const { turn_id, step } = claim;
  return { kind: "message", role: "assistant", turn_id, message_id, content, usage, step, seen_head };
}

/** The step is over and paid: what was held for it is released, what it used counts for its turn. */
function settled(conversation: Conversation, claim: Claim, usage: Usage): ConversationChange {
  const step_tokens = tokensOf(usage);
  const cost = usage.cost_micro_usd;
  return {
    step: claim.step + 1,
    lease_until: 0,
    waiting_since: 0,
    attempts: 0,
    reserved: null,
    turn_tokens: (conversation.turn_tokens ?? 0) + step_tokens,
    turn_cost_micro_usd: (conversation.turn_cost_micro_usd ?? 0) + (cost ?? 0),
    step_tokens,
    ...(cost === null ? {} : { step_cost_micro_usd: cost }),
  };
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
  const { turn_id } = claim;
  const message = messageOf(claim, answer);
  const taken = settled(conversation, claim, answer.usage);
  const asked = toolUses(answer.content);
  const isInterrupted = conversation.interrupt_at !== undefined;
  const wanted = answer.stopReason === "tool_use" && !isInterrupted ? asked : [];
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
  const ending = isInterrupted ? interrupted : endingFor(answer.stopReason);
  const steered = ending?.reason === "completed" && (conversation.steer_seq ?? 0) > answer.seenHead;
  if (!ending || steered)
    return { rows: [message], change: { ...taken, due_at: now + wakeUpGraceMs }, result: { calls: [], ended: false } };
  const why = isInterrupted ? interruptedOutput : "Not run: the answer was cut.";
  const unanswered = asked.slice(0, maxToolCallsPerStep).map((call) => refusedCall(turn_id, call, why));
  const end = finish({ ...conversation, step: claim.step + 1 }, ending, hasWorkspace, now);
  return {
    rows: [message, ...unanswered, ...end.rows],
    change: { ...taken, ...end.change },
    result: { calls: [], ended: true },
  };
}

/**
 * T3 for a step that the user broke off: what the model had said by then, and what it had counted. Without an answer
 * nothing was counted. Null when the step is no longer this worker's.
 */
export function cutStep(
  conversation: Conversation,
  claim: Claim,
  answer: Answer | null,
  hasWorkspace: boolean,
  now: number,
): Transition<null> | null {
  if (!holds(conversation, claim)) return null;
  if (!answer) return finish(conversation, interrupted, hasWorkspace, now);
  const said: MessageRow[] = answer.content.length > 0 ? [{ ...messageOf(claim, answer), interrupted: true }] : [];
  const end = finish({ ...conversation, step: claim.step + 1 }, interrupted, hasWorkspace, now);
  return {
    rows: [...said, ...end.rows],
    change: { ...settled(conversation, claim, answer.usage), ...end.change },
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

/** The model refused for now: give the step back and say when to try again. Null where there is no other try. */
export function postponeStep(
  conversation: Conversation,
  claim: Claim,
  delayMs: number,
  now: number,
): Transition<null> | null {
  const waiting_since = conversation.waiting_since || now;
  const isOver = now - waiting_since > maxModelWaitMs || conversation.interrupt_at !== undefined;
  if (isOver || !holds(conversation, claim)) return null;
  return {
    rows: [],
    change: {
      fence: conversation.fence + 1,
      attempts: 0,
      lease_until: 0,
      waiting_since,
      reserved: null,
      due_at: now + delayMs + wakeUpGraceMs,
    },
    result: null,
  };
}
