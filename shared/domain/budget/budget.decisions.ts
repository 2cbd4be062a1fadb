import type { Amounts, BudgetLimits, BudgetScope, BudgetUnit } from "../../protocol/budget.ts";
import type { TokenCounts } from "../../protocol/content.ts";
import type { Conversation } from "../conversation/conversation.ts";
import type { Caps, Reservation } from "./reservation.ts";

/** Which monthly budgets there are is asked again after this: a first limit holds within it, also for a turn that runs. */
const budgetsLifeMs = 60_000;

export const noLimits: BudgetLimits = { cost_micro_usd: null, tokens: null };

/** Of all kinds: input, output, read from and written to the cache. */
export function tokensOf(counts: TokenCounts): number {
  return counts.input_tokens + counts.output_tokens + counts.cache_read_tokens + counts.cache_write_tokens;
}

export const isLimited = ({ cost_micro_usd, tokens }: BudgetLimits) => cost_micro_usd !== null || tokens !== null;

/** What the conversation knows of its turn's monthly budgets; null where that is old, or of another user. */
export function knownBudgets(conversation: Conversation, now: number): NonNullable<Conversation["budgets"]> | null {
  const { budgets, turn_user_id } = conversation;
  if (!budgets || budgets.user_id !== turn_user_id || now - budgets.read_at >= budgetsLifeMs) return null;
  return budgets;
}

export function sessionLimits(conversation: Conversation): { session: BudgetLimits; turn: BudgetLimits } {
  const limits = conversation.limits ?? {};
  return {
    session: { cost_micro_usd: limits.session_cost_micro_usd ?? null, tokens: limits.session_tokens ?? null },
    turn: { cost_micro_usd: limits.turn_cost_micro_usd ?? null, tokens: limits.turn_tokens ?? null },
  };
}

/** One scope that limits the step: what it allows, what is gone, and what is held for the steps that run. */
export interface Drawn {
  scope: BudgetScope;
  limits: BudgetLimits;
  spent: Amounts;
  reserved: Amounts;
}

export interface Reached {
  scope: BudgetScope;
  unit: BudgetUnit;
  limit: number;
  used: number;
}

export const nothing: Amounts = { cost_micro_usd: 0, tokens: 0 };

/**
 * The first limit that is used up, or null: then a step may begin, whatever it will cost. So a budget is used to its end
 * and exceeded by at most one step of each session that runs.
 */
export function reachedOf(drawn: Drawn[]): Reached | null {
  for (const { scope, limits, spent, reserved } of drawn) {
    const cost = spent.cost_micro_usd + reserved.cost_micro_usd;
    const tokens = spent.tokens + reserved.tokens;
    if (limits.cost_micro_usd !== null && cost >= limits.cost_micro_usd)
      return { scope, unit: "micro_usd", limit: limits.cost_micro_usd, used: cost };
    if (limits.tokens !== null && tokens >= limits.tokens)
      return { scope, unit: "tokens", limit: limits.tokens, used: tokens };
  }
  return null;
}

function lower(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

/** Below how much a monthly budget must be reserved, by all the limits that draw on it. */
export function capsOf(drawn: Drawn[]): Caps {
  return drawn.reduce<Caps>(
    (caps, { limits, spent }) => ({
      cost_micro_usd: lower(
        caps.cost_micro_usd,
        limits.cost_micro_usd === null ? null : limits.cost_micro_usd - spent.cost_micro_usd,
      ),
      tokens: lower(caps.tokens, limits.tokens === null ? null : limits.tokens - spent.tokens),
    }),
    noLimits,
  );
}

/** A step of a session of which nothing is known: the system prompt, the tools and a short answer. */
export const firstStep = { input_tokens: 5000, output_tokens: 500, cache_read_tokens: 0, cache_write_tokens: 0 };

/** What is held for the next step: as much as the last one used. */
export function estimateOf(conversation: Conversation, firstCost: number | null): Amounts {
  return {
    cost_micro_usd: conversation.step_cost_micro_usd ?? firstCost ?? 0,
    tokens: conversation.step_tokens ?? tokensOf(firstStep),
  };
}

/** So far from the next estimate what is held may be, either way, before it is held anew: two writes for each step otherwise. */
const nearEnough = 2;

function isNear(held: number, estimate: number): boolean {
  return held <= estimate * nearEnough && estimate <= held * nearEnough;
}

/** What the turn's last step held is good for the next one: of the same budgets, and about as much. */
export function isGoodFor(held: Reservation | undefined, wanted: Reservation): boolean {
  if (held?.tenant !== wanted.tenant || held.user_id !== wanted.user_id) return false;
  return isNear(held.cost_micro_usd, wanted.cost_micro_usd) && isNear(held.tokens, wanted.tokens);
}

/** What a budget holds for all sessions but this one. */
export function heldByOthers(reserved: Amounts, own: Amounts | null): Amounts {
  if (!own) return reserved;
  return {
    cost_micro_usd: reserved.cost_micro_usd - own.cost_micro_usd,
    tokens: reserved.tokens - own.tokens,
  };
}

export function reservationOf(estimate: Amounts, tenant: boolean, userId: string | null): Reservation {
  return { tenant, ...estimate, ...(userId === null ? {} : { user_id: userId }) };
}
