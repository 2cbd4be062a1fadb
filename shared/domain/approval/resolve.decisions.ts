import type { RememberedRule } from "../../protocol/approval.ts";
import type { ToolUseBlock } from "../../protocol/content.ts";
import type { Conversation, ConversationChange, Transition } from "../conversation/conversation.ts";
import { startedCall } from "../tool-call/placed.decisions.ts";
import { approvalResolved, completeCalls, type Resolution, waitingFor } from "../tool-call/result.decisions.ts";
import type { ToolCall } from "../tool-call/tool-call.ts";
import { remembering, rulesOf } from "./policy.decisions.ts";

export interface Verdict extends Resolution {
  decision: "approved" | "denied" | "answered" | "expired";
  /** Of a question. */
  answer?: string;
}

export interface Resolved {
  /** Somebody has to look: the call runs, or was the last one. */
  wakes: boolean;
  /** The call goes to its runner; otherwise it has its result. */
  runs: boolean;
}

function outputOf({ handler }: Pick<ToolCall, "handler">, { decision, note, answer = "" }: Verdict): string {
  if (decision === "answered") return answer;
  const isQuestion = handler === "question";
  if (decision === "expired") return isQuestion ? "Nobody answered in time." : "Not run: nobody decided in time.";
  const said = isQuestion ? "The user declined to answer." : "The user denied this call.";
  return note === null ? said : `${said} Their note: ${note}`;
}

function letRun(
  conversation: Conversation,
  call: ToolCall,
  input: ToolUseBlock["input"],
  resolution: Resolution,
  now: number,
): Transition<Resolved> {
  const { turn_id, call_id: id, name } = call;
  const persons = Math.max(0, (conversation.person_calls ?? 0) - 1);
  const waiting = waitingFor(conversation, { pending: conversation.pending_calls, persons }, now);
  return {
    rows: [approvalResolved(turn_id, call, resolution), startedCall(turn_id, { id, name, input }, call.child_id)],
    change: { ...waiting, person_calls: persons },
    result: { wakes: true, runs: true },
  };
}

/**
 * What a person, or the deadline, decided on a call that waits for it. An approved call counts as pending as before, but
 * is its runner's now. Null where the turn does not wait for it any more.
 */
export function resolveCall(
  conversation: Conversation,
  call: ToolCall,
  input: ToolUseBlock["input"],
  { answer, ...resolution }: Verdict,
  now: number,
): Transition<Resolved> | null {
  const { phase, turn_id, person_calls = 0 } = conversation;
  if (phase !== "tools" || turn_id !== call.turn_id || person_calls < 1) return null;
  const isAllowed = resolution.decision === "expired" && call.on_deadline === "allow";
  if (resolution.decision === "approved" || isAllowed) return letRun(conversation, call, input, resolution, now);
  const output = outputOf(call, { ...resolution, answer });
  const { call_id, name } = call;
  const is_error = resolution.decision !== "answered";
  const sizes = { output_bytes: Buffer.byteLength(output), object_key: null, duration_ms: null };
  const result = { call_id, name, is_error, output, ...sizes };
  const completed = completeCalls(conversation, call.turn_id, [{ call, result, resolution }], now);
  return completed && { ...completed, result: { wakes: completed.result.last, runs: false } };
}

/** The decision holds for the rest of the session, for what the same rule asks about. */
export function rememberDecision(
  conversation: Conversation,
  { name, asked_by_pattern }: Pick<ToolCall, "name" | "asked_by_pattern">,
  policy: RememberedRule["policy"],
): ConversationChange {
  const rule = { tool: name, pattern: asked_by_pattern ?? null, policy };
  return { remembered: JSON.stringify(remembering(rulesOf(conversation).remembered, rule)) };
}
