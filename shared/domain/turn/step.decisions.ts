import { type ContentBlock, type ToolUseBlock, toolUses, type Usage } from "../../protocol/content.ts";
import { interruptedOutput } from "../../protocol/conversation.ts";
import type { ErrorCode } from "../../protocol/error-code.ts";
import { maxToolCallsPerStep } from "../../protocol/limits.ts";
import type { StopReason } from "../../ports/model.ts";
import { tokensOf } from "../budget/budget.decisions.ts";
import { rulesOf } from "../approval/policy.decisions.ts";
import type { Conversation, ConversationChange, Transition } from "../conversation/conversation.ts";
import { depthOf } from "../delegate/delegate.decisions.ts";
import type { EventRow, MessageRow, NewRow } from "../timeline/row.ts";
import { placedCall } from "../tool-call/placed.decisions.ts";
import { waitingFor } from "../tool-call/result.decisions.ts";
import { type CallIds, planCalls, type PlannedCall, waitsForPerson } from "../tool-call/route.decisions.ts";
import { finish, interrupted, isStepDue, type TurnEnding } from "./turn.decisions.ts";
import { clockSkewMs, wakeUpGraceMs, watchdogMs } from "./waits.ts";

/** How long a worker owns a step without renewing; renewed while the model streams. */
export const leaseMs = 30_000;

/** T2: this worker takes the step; whoever held it before can no longer commit. */
export function claimStep(conversation: Conversation, now: number): Transition<null> | null {
  if (!isStepDue(conversation, now)) return null;
  const lease_until = now + leaseMs;
  return {
    rows: [],
    change: {
      fence: conversation.fence + 1,
      attempts: conversation.attempts + 1,
      lease_until,
      due_at: lease_until + clockSkewMs,
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
  if (!isStepDue(conversation, now)) return null;
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
  return { rows: [], change: { lease_until, due_at: lease_until + clockSkewMs }, result: null };
}

export interface Answer {
  message_id: string;
  content: ContentBlock[];
  stopReason: StopReason;
  usage: Usage;
  /** The head of the timeline that the model saw. */
  seenHead: number;
  /** A fingerprint of the system prompt and tools, which its thinking is bound to. */
  boundTo?: string;
  /** What the model was sent and said takes most of its window. */
  fillsContext?: boolean;
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
    case "unknown":
      return { reason: "error", error: { code: "model_stopped", message: "The model stopped for an unknown reason" } };
    case "tool_use":
    case "pause_turn":
      return null;
  }
}

export interface StepResult {
  /** What got a row of its own, at most 32. */
  calls: PlannedCall[];
  ended: boolean;
  /** The look that an earlier step asked for comes soon enough for these calls too. */
  watched?: true;
}

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

function messageOf(claim: Claim, answer: Answer): MessageRow {
  const { message_id, content, usage, seenHead: seen_head, boundTo: bound_to } = answer;
  const { turn_id, step } = claim;
  return { kind: "message", role: "assistant", turn_id, message_id, content, usage, step, seen_head, bound_to };
}

function contextAfter({ context }: Conversation, fillsContext = false): ConversationChange {
  if (fillsContext) return { context: "filling" };
  return context ? { context: null } : {};
}

/** The step is over and paid: what it used counts for its turn. What was held for it stays for the turn's next one. */
export function settled(
  conversation: Conversation,
  claim: Claim,
  { usage, fillsContext }: Pick<Answer, "usage" | "fillsContext">,
): ConversationChange {
  const step_tokens = tokensOf(usage);
  const cost = usage.cost_micro_usd;
  return {
    step: claim.step + 1,
    lease_until: 0,
    waiting_since: 0,
    ...(conversation.setbacks ? { setbacks: null } : {}),
    attempts: 0,
    ...contextAfter(conversation, fillsContext),
    turn_tokens: (conversation.turn_tokens ?? 0) + step_tokens,
    turn_cost_micro_usd: (conversation.turn_cost_micro_usd ?? 0) + (cost ?? 0),
    step_tokens,
    ...(cost === null ? {} : { step_cost_micro_usd: cost }),
  };
}

/** What the turn waits for now; where every call was refused, the model goes on at once. */
function openCalls(conversation: Conversation, placed: PlannedCall[], now: number): ConversationChange {
  if (placed.length === 0) return { due_at: now + wakeUpGraceMs };
  const asked = placed.filter(waitsForPerson);
  const calls = { pending: placed.length, persons: asked.length };
  if (asked.length === 0)
    return { ...waitingFor(conversation, calls, now), phase: "tools", pending_calls: calls.pending };
  const person_due_at = Math.min(...asked.map(({ expires_at = now }) => expires_at));
  const waiting = waitingFor({ ...conversation, person_due_at }, calls, now);
  return { ...waiting, phase: "tools", pending_calls: calls.pending, person_calls: calls.persons, person_due_at };
}

/** The look that an earlier step asked for comes soon enough for new calls too. */
function isWatched({ watched_at = 0 }: Conversation, now: number): boolean {
  return watched_at > now && watched_at <= now + watchdogMs;
}

/** T3: the answer, its calls and what follows from it. Null when the step is no longer this worker's. */
export function commitStep(
  conversation: Conversation,
  claim: Claim,
  answer: Answer,
  ids: CallIds[],
  hasWorkspace: boolean,
  now: number,
): Transition<StepResult> | null {
  if (!holds(conversation, claim)) return null;
  const { turn_id } = claim;
  const message = messageOf(claim, answer);
  const taken = settled(conversation, claim, answer);
  const asked = toolUses(answer.content);
  const isInterrupted = conversation.interrupt_at !== undefined;
  const wanted = answer.stopReason === "tool_use" && !isInterrupted ? asked : [];
  if (wanted.length > 0) {
    const { placed, refused } = planCalls(wanted, { ...rulesOf(conversation), depth: depthOf(conversation) }, ids, now);
    const rows: NewRow[] = [
      message,
      ...placed.map((planned) => placedCall(turn_id, planned)),
      ...refused.map(({ call, output }) => refusedCall(turn_id, call, output)),
    ];
    const open = openCalls(conversation, placed, now);
    const result = { calls: placed, ended: false };
    if (open.status !== "tools") return { rows, change: { ...taken, ...open }, result };
    if (isWatched(conversation, now))
      return { rows, change: { ...taken, ...open }, result: { ...result, watched: true } };
    return { rows, change: { ...taken, ...open, watched_at: now + watchdogMs }, result };
  }
  // A compaction makes room, and the model goes on; once, since a second one would make no more.
  const isFull = answer.stopReason === "context_window_exceeded" && conversation.context !== "compacted";
  const ending = isInterrupted ? interrupted : isFull ? null : endingFor(answer.stopReason);
  const steered = ending?.reason === "completed" && (conversation.steer_seq ?? 0) > answer.seenHead;
  const why = isInterrupted ? interruptedOutput : "Not run: the answer was cut.";
  const unanswered = asked.slice(0, maxToolCallsPerStep).map((call) => refusedCall(turn_id, call, why));
  if (!ending || steered) {
    const full: ConversationChange = isFull ? { context: "full" } : {};
    const change = { ...taken, ...full, due_at: now + wakeUpGraceMs };
    return { rows: [message, ...unanswered], change, result: { calls: [], ended: false } };
  }
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
    change: { ...settled(conversation, claim, answer), ...end.change },
    result: null,
  };
}

export interface StepFailure {
  code: ErrorCode;
  message: string;
  /** The next turn would end the same way. */
  holds_queue?: true;
}

/** The model can not answer this step at all. */
export function failStep(
  conversation: Conversation,
  claim: Claim,
  { holds_queue, ...error }: StepFailure,
  hasWorkspace: boolean,
  now: number,
): Transition<null> | null {
  if (!holds(conversation, claim)) return null;
  const held = holds_queue ? { holds_queue } : {};
  return finish(conversation, { reason: "error", error, ...held }, hasWorkspace, now);
}
