import { type Grant, grantStep } from "../domain/budget/grant.ts";
import { reserve } from "../domain/budget/reservation.ts";
import {
  readConversation,
  transition,
  type Conversation,
  type Transition,
} from "../domain/conversation/conversation.ts";
import type { EventRow, SessionKey } from "../domain/timeline/row.ts";
import { claimStep, refuseStep } from "../domain/turn/step.decisions.ts";
import type { TurnEnding } from "../domain/turn/turn.decisions.ts";
import { AppError } from "../errors.ts";
import { endBy } from "./finish.ts";
import type { StepDeps } from "./step-deps.ts";

/** Other sessions of the tenant may take what is left of a budget so often, before it is found to be used up. */
const maxGrants = 5;

type Allowed = Extract<Grant, { kind: "free" | "held" }>;

/** What is held did not change: where it did, the claim of another worker was first. */
function holdsTheSame(one: Conversation["reserved"], other: Conversation["reserved"]): boolean {
  if (!one || !other) return one === other;
  const amounts = one.cost_micro_usd === other.cost_micro_usd && one.tokens === other.tokens;
  return amounts && one.tenant === other.tenant && one.user_id === other.user_id;
}

/** The claim with what is held for it. Null where this is not the step that was asked for. */
function claimWith(asked: Conversation, grant: Allowed, current: Conversation, now: number): Transition<null> | null {
  const isAnother =
    current.turn_id !== asked.turn_id || current.step !== asked.step || !holdsTheSame(current.reserved, asked.reserved);
  const claimed = isAnother ? null : claimStep(current, now);
  if (!claimed) return null;
  const change = { ...claimed.change, ...(grant.budgets ? { budgets: grant.budgets } : {}) };
  if (grant.kind === "free") return { ...claimed, change };
  const { reserved, caps } = grant;
  return {
    ...claimed,
    change: { ...change, reserved },
    extra: (entities) => reserve(entities, current.tenant_id, { held: reserved, before: current.reserved }, caps),
  };
}

function refusalOf(
  grant: Exclude<Grant, Allowed>,
  turn_id: string | undefined,
): { ending: TurnEnding; rows: EventRow[] } {
  if (grant.kind === "unpriced") {
    const error = {
      code: "price_unknown" as const,
      message: "The model has no known price, and money is limited here",
    };
    return { ending: { reason: "error", error, holds_queue: true }, rows: [] };
  }
  const { reached } = grant;
  const rows: EventRow[] = [{ kind: "event", type: "budget.reached", turn_id, data: reached }];
  // The next turn begins with nothing used of its own limit; every other limit would end it at once.
  const held = reached.scope === "turn" ? {} : { holds_queue: true as const };
  return { ending: { reason: "budget_reached", error: null, ...held }, rows };
}

/** T2: the step is this worker's, and paid for as far as the budgets go. Null where it is not, or the turn ended by a budget. */
export async function claimNext(
  deps: StepDeps,
  key: SessionKey,
  conversation: Conversation,
  hops: number,
): Promise<Conversation | null> {
  let asked: Conversation | null = conversation;
  for (let grants = 0; asked && grants < maxGrants; grants += 1) {
    const state: Conversation = asked;
    const grant = await grantStep(deps, state);
    if (grant.kind === "reached" || grant.kind === "unpriced") {
      await endBy(deps, key, hops, (current, hasWorkspace, now) =>
        current.turn_id === state.turn_id && current.attempts === state.attempts
          ? refuseStep(current, refusalOf(grant, state.turn_id), hasWorkspace, now)
          : null,
      );
      return null;
    }
    const outcome = await transition(deps, key, (current, now) => claimWith(state, grant, current, now), state);
    if (outcome.kind === "committed") return outcome.conversation;
    if (outcome.kind === "declined") return null;
    asked = await readConversation(deps.table, key);
  }
  throw new AppError("busy");
}
