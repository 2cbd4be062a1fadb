import type { ApprovalDecision } from "../../protocol/approval.ts";
import type { Amounts } from "../../protocol/budget.ts";
import type { Conversation, ConversationChange, Transition } from "../conversation/conversation.ts";
import { settled } from "../delegate/delegate.decisions.ts";
import type { EventRow } from "../timeline/row.ts";
import { wakeUpGraceMs } from "../turn/waits.ts";
import { waitsForPerson } from "./route.decisions.ts";
import type { ToolCall } from "./tool-call.ts";

export interface CallResult {
  call_id: string;
  name: string;
  is_error: boolean;
  output: string;
  output_bytes: number;
  object_key: string | null;
  duration_ms: number | null;
}

/** What became of a decision that was waited for. */
export interface Resolution {
  decision: ApprovalDecision;
  by: string | null;
  note: string | null;
}

/** A pending call that is over. One that waited for a person is `cancelled` where its resolution is left out. */
export interface EndedCall {
  call: Pick<ToolCall, "handler" | "approval_id">;
  result: CallResult;
  resolution?: Resolution;
  /** Of a delegated call: what its session spent. */
  spent?: Amounts | undefined;
}

const cancelled: Resolution = { decision: "cancelled", by: null, note: null };

export function approvalResolved(
  turn_id: string,
  call: Pick<ToolCall, "handler" | "approval_id" | "call_id" | "name">,
  resolution: Resolution,
): EventRow {
  const { approval_id = "", call_id, name, handler } = call;
  const kind = handler === "question" ? ("question" as const) : ("tool" as const);
  const data = { approval_id, call_id, name, kind, ...resolution };
  return { kind: "event", type: "approval.resolved", turn_id, data };
}

function endRows(turn_id: string, { call, result, resolution = cancelled }: EndedCall): EventRow[] {
  const truncated = result.output_bytes > Buffer.byteLength(result.output);
  const completed: EventRow = { kind: "event", type: "tool.completed", turn_id, data: { ...result, truncated } };
  if (!waitsForPerson(call)) return [completed];
  const { call_id, name } = result;
  return [approvalResolved(turn_id, { ...call, call_id, name }, resolution), completed];
}

/** What a turn with open calls waits for: persons only, until their deadline, or also for somebody who may die. */
export function waitingFor(
  conversation: Pick<Conversation, "person_due_at">,
  calls: { pending: number; persons: number },
  now: number,
): ConversationChange {
  const { pending, persons } = calls;
  if (pending > persons) return { status: "tools", due_at: now + wakeUpGraceMs };
  // It may be for days: others may use the budget meanwhile.
  return { status: "waiting", due_at: conversation.person_due_at ?? now + wakeUpGraceMs, reserved: null };
}

/** T4: results join the log; the last pending one gives the turn back to the model. */
export function completeCalls(
  conversation: Conversation,
  turn_id: string,
  ended: EndedCall[],
  now: number,
): Transition<{ last: boolean }> | null {
  if (conversation.phase !== "tools" || conversation.turn_id !== turn_id) return null;
  if (ended.length > conversation.pending_calls) return null;
  const before = conversation.person_calls ?? 0;
  const pending = conversation.pending_calls - ended.length;
  const persons = before - ended.filter(({ call }) => waitsForPerson(call)).length;
  if (persons < 0 || persons > pending) return null;
  const rows = ended.flatMap((one) => endRows(turn_id, one));
  const paid = settled(conversation, ended);
  if (pending === 0) {
    // They may all have been let run before.
    const wasAsked = conversation.person_calls !== undefined;
    const asked: ConversationChange = wasAsked ? { person_calls: null, person_due_at: null } : {};
    const next: ConversationChange = { status: "running", phase: "model", lease_until: 0, due_at: now + wakeUpGraceMs };
    return { rows, change: { pending_calls: 0, ...paid, ...asked, ...next }, result: { last: true } };
  }
  const counted: ConversationChange = persons === before ? {} : { person_calls: persons };
  const parks: ConversationChange = persons === pending ? waitingFor(conversation, { pending, persons }, now) : {};
  return { rows, change: { pending_calls: pending, ...paid, ...counted, ...parks }, result: { last: false } };
}
