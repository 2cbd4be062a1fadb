import type { Conversation, ConversationChange, Transition } from "../conversation/conversation.ts";
import type { EventRow } from "../timeline/row.ts";
import { wakeUpGraceMs } from "../turn/waits.ts";

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
  const next: ConversationChange = last
    ? { status: "running", phase: "model", lease_until: 0, due_at: now + wakeUpGraceMs }
    : {};
  return { rows, change: { pending_calls, ...next }, result: { last } };
}
