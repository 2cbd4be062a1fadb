import { readConversation, transition } from "../domain/conversation/conversation.ts";
import { readTimeline } from "../domain/timeline/timeline.ts";
import { endingOf } from "../domain/turn/turn.decisions.ts";
import { meter } from "../domain/usage/usage.ts";
import { meteredCall, type Answered, type Step } from "./claimed-step.ts";
import type { StepDeps } from "./step-deps.ts";

/** Whether the step's turn was ended by an interrupt. Then nobody will ever commit the step. */
async function wasInterrupted(deps: StepDeps, { key, claim }: Step, seenHead: number): Promise<boolean> {
  const current = await readConversation(deps.table, key);
  if (!current) return false;
  if (current.turn_id === claim.turn_id) {
    return current.phase === "checkpoint" && endingOf(current).reason === "interrupted";
  }
  const { rows: log } = await readTimeline(deps, key, { after: seenHead });
  return log.some(
    (row) =>
      row.kind === "event" &&
      row.type === "turn.ended" &&
      row.turn_id === claim.turn_id &&
      row.data.reason === "interrupted",
  );
}

/**
 * For a worker that was taken for dead while the user's interrupt waited for it, and whose turn ended without it: what the
 * model's API counted is paid all the same, once, by the ledger row that the step has not.
 */
export async function meterLate(deps: StepDeps, step: Step, answered: Answered): Promise<void> {
  const { key, claim } = step;
  if (!(await wasInterrupted(deps, step, answered.answer.seenHead))) return;
  const outcome = await transition(deps, key, (_, now) => ({
    rows: [],
    change: {},
    extra: (entities) => meter(entities, key, meteredCall(step, answered), now),
    result: null,
  }));
  deps.log.warn("interrupted step was late", { ...key, turn_id: claim.turn_id, step: claim.step, code: outcome.kind });
}
