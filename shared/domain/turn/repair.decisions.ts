import type { Conversation, Transition } from "../conversation/conversation.ts";
import type { EventRow } from "../timeline/row.ts";
import { type Claim, holds } from "./step.decisions.ts";
import { type DanglingCall, lostOutput } from "./transcript-blocks.ts";
import { wakeUpGraceMs } from "./waits.ts";

function lostResult({ call, turn_id }: DanglingCall): EventRow {
  const data = {
    call_id: call.id,
    name: call.name,
    is_error: true,
    output: lostOutput,
    output_bytes: lostOutput.length,
    truncated: false,
    object_key: null,
    duration_ms: null,
  };
  return { kind: "event", type: "tool.completed", turn_id, data };
}

/**
 * Calls that the log has no result for get one, before the model is asked. Null where the log is no longer as it was
 * read up to `head`, or the step no longer this worker's: so none gets two.
 */
export function answerDangling(
  conversation: Conversation,
  claim: Claim,
  head: number,
  dangling: DanglingCall[],
): Transition<null> | null {
  if (!holds(conversation, claim) || conversation.head !== head) return null;
  return { rows: dangling.map(lostResult), change: {}, result: null };
}

/** A step waits for calls, and none is pending: nobody will bring what it waits for. `seen`: when the calls were read. */
export function reopenStep(conversation: Conversation, seen: Conversation, now: number): Transition<null> | null {
  const { phase, head, turn_id, step, pending_calls } = conversation;
  const isSame =
    head === seen.head && turn_id === seen.turn_id && step === seen.step && pending_calls === seen.pending_calls;
  if (phase !== "tools" || !isSame) return null;
  return {
    rows: [],
    change: {
      status: "running",
      phase: "model",
      pending_calls: 0,
      person_calls: null,
      person_due_at: null,
      lease_until: 0,
      due_at: now + wakeUpGraceMs,
    },
    result: null,
  };
}
