import type { Table } from "../../data/service.ts";
import type { BudgetLimits } from "../../protocol/budget.ts";
import type { TokenCounts } from "../../protocol/content.ts";
import type { Conversation } from "../conversation/conversation.ts";
import { spentWithChildren } from "../delegate/spent.ts";
import { type PlanDeps, readLimits } from "../quota/plan.ts";
import { spentThisMonth } from "../usage/usage.ts";
import {
  capsOf,
  type Drawn,
  estimateOf,
  firstStep,
  heldByOthers,
  isGoodFor,
  isLimited,
  knownBudgets,
  noLimits,
  nothing,
  type Reached,
  reachedOf,
  reservationOf,
  sessionLimits,
} from "./budget.decisions.ts";
import { type Budget, readBudget } from "./budget.ts";
import { type Caps, heldIn, type Reservation, tenantScope, userScope } from "./reservation.ts";

export interface GrantDeps extends PlanDeps {
  turnModel: string;
  /** Micro-dollars, or null where the price is unknown. */
  price(usage: TokenCounts & { model: string }, at: number): number | null;
}

/** What the budgets say to the next step of a turn. */
export type Grant =
  /** Nothing limits it, or what the turn holds already is enough for it. `budgets`: what was read anew. */
  | { kind: "free"; budgets: Conversation["budgets"] | null }
  /** In the place of what the turn's last step held. */
  | { kind: "held"; budgets: Conversation["budgets"] | null; reserved: Reservation; caps: (scope: string) => Caps }
  | { kind: "reached"; reached: Reached }
  /** Money is limited, and nobody knows what the model costs. */
  | { kind: "unpriced" };

async function drawOnTurn(table: Table, conversation: Conversation): Promise<Drawn[]> {
  const { session, turn } = sessionLimits(conversation);
  const { turn_cost_micro_usd: cost_micro_usd = 0, turn_tokens: tokens = 0 } = conversation;
  const drawn: Drawn[] = [];
  if (isLimited(turn))
    drawn.push({ scope: "turn", limits: turn, spent: { cost_micro_usd, tokens }, reserved: nothing });
  if (!isLimited(session)) return drawn;
  const spent = await spentWithChildren(table, conversation);
  return [...drawn, { scope: "session", limits: session, spent, reserved: nothing }];
}

interface Monthly {
  scope: string;
  drawn: Drawn[];
  /** It has limits of its own. */
  isLimited: boolean;
}

const notAsked: Monthly = { scope: "", drawn: [], isLimited: false };

/** Where a limit is known of, what was spent is read beside the budget, and not after it. */
async function drawOn(
  deps: GrantDeps,
  of: { tenant_id: string; user_id?: string },
  plan: BudgetLimits,
  isKnown: boolean,
  own: Conversation["reserved"],
  now: number,
): Promise<Monthly> {
  const { tenant_id, user_id } = of;
  const scope = user_id === undefined ? tenantScope : userScope(user_id);
  const [budget, early] = await Promise.all([
    readBudget(deps.table, tenant_id, scope),
    isKnown ? spentThisMonth(deps.table, of, now) : null,
  ]);
  const set: Pick<Drawn, "scope" | "limits"> = {
    scope: user_id === undefined ? "tenant" : "user",
    limits: budget?.limits ?? noLimits,
  };
  const limiting = [set, { scope: "plan" as const, limits: plan }].filter(({ limits }) => isLimited(limits));
  if (limiting.length === 0) return { ...notAsked, scope };
  const spent = early ?? (await spentThisMonth(deps.table, of, now));
  const reserved = heldByOthers(budget?.reserved ?? nothing, heldIn(own, scope));
  return { scope, drawn: limiting.map((one) => ({ ...one, spent, reserved })), isLimited: isLimited(set.limits) };
}

type Which = NonNullable<Conversation["budgets"]>;

const hasLimits = (budget: Budget | null) => budget !== null && isLimited(budget.limits);

/** Which monthly budgets there are for a user's turn: read with the prompt that begins it, so that a step need not. */
export async function budgetsOf(table: Table, tenant_id: string, user_id: string, now: number): Promise<Which> {
  const [tenant, user] = await Promise.all([
    readBudget(table, tenant_id, tenantScope),
    readBudget(table, tenant_id, userScope(user_id)),
  ]);
  return { read_at: now, user_id, tenant: hasLimits(tenant), user: hasLimits(user) };
}

/** The monthly budgets of the turn, as far as they exist; `budgets` is null where the conversation knew which. */
async function readMonthly(deps: GrantDeps, conversation: Conversation, now: number) {
  const { tenant_id, turn_user_id: user_id = "", reserved: own } = conversation;
  const { microUsdPerMonth, tokensPerMonth } = await readLimits(deps, tenant_id);
  const plan: BudgetLimits = { cost_micro_usd: microUsdPerMonth, tokens: tokensPerMonth };
  const known = knownBudgets(conversation, now);
  const isTenantLimited = isLimited(plan) || known?.tenant === true;
  const isUserLimited = known?.user === true;
  const [tenant, user] = await Promise.all([
    known && !isTenantLimited ? notAsked : drawOn(deps, { tenant_id }, plan, isTenantLimited, own, now),
    known && !isUserLimited ? notAsked : drawOn(deps, { tenant_id, user_id }, noLimits, isUserLimited, own, now),
  ]);
  const budgets: Which | null = known
    ? null
    : { read_at: now, user_id, tenant: tenant.isLimited, user: user.isLimited };
  return { monthly: [tenant, user], budgets };
}

/**
 * Asked before each claim. Without any limit it reads nothing, but once a minute whether there is one. What was spent
 * comes from the usage counters, which every commit keeps, so that it is exact whenever a limit was set.
 */
export async function grantStep(deps: GrantDeps, conversation: Conversation): Promise<Grant> {
  // A claim of this very step paid for it, and its worker died.
  if (conversation.reserved && conversation.attempts > 0) return { kind: "free", budgets: null };
  const now = deps.clock.now();
  const [own, { monthly, budgets }] = await Promise.all([
    drawOnTurn(deps.table, conversation),
    readMonthly(deps, conversation, now),
  ]);
  const drawn = [...own, ...monthly.flatMap((one) => one.drawn)];
  if (drawn.length === 0) return { kind: "free", budgets };
  const firstCost = deps.price({ model: deps.turnModel, ...firstStep }, now);
  if (firstCost === null && drawn.some(({ limits }) => limits.cost_micro_usd !== null)) return { kind: "unpriced" };
  const reached = reachedOf(drawn);
  if (reached) return { kind: "reached", reached };
  const holding = monthly.filter((one) => one.drawn.length > 0);
  if (holding.length === 0) return { kind: "free", budgets };
  const isHeld = (scope: string) => holding.some((one) => one.scope === scope);
  const user_id = conversation.turn_user_id ?? "";
  const reserved = reservationOf(
    estimateOf(conversation, firstCost),
    isHeld(tenantScope),
    isHeld(userScope(user_id)) ? user_id : null,
  );
  if (isGoodFor(conversation.reserved, reserved)) return { kind: "free", budgets };
  const caps = (scope: string) => capsOf(holding.find((one) => one.scope === scope)?.drawn ?? []);
  return { kind: "held", budgets, reserved, caps };
}
