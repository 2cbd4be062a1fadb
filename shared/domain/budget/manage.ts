import { AppError } from "../../errors.ts";
import type {
  BudgetLimits,
  SessionBudget,
  SessionBudgetLimits,
  TenantBudget,
  UserBudget,
} from "../../protocol/budget.ts";
import { findMember } from "../account/membership.ts";
import {
  readConversation,
  transition,
  type Conversation,
  type ConversationDeps,
} from "../conversation/conversation.ts";
import { spentWithChildren } from "../delegate/spent.ts";
import { type PlanDeps, readLimits } from "../quota/plan.ts";
import { requireSessionRow } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";
import { spentThisMonth } from "../usage/usage.ts";
import { monthOf } from "../usage/usage.decisions.ts";
import { noLimits, nothing, sessionLimits } from "./budget.decisions.ts";
import { readBudget, writeLimits } from "./budget.ts";
import { tenantScope, userScope } from "./reservation.ts";

type BudgetDeps = Pick<PlanDeps, "table" | "clock">;

const amounts = ({ cost_micro_usd, tokens }: BudgetLimits) => ({ cost_micro_usd, tokens });

async function monthly(deps: BudgetDeps, tenant_id: string, user_id?: string): Promise<UserBudget> {
  const now = deps.clock.now();
  const scope = user_id === undefined ? tenantScope : userScope(user_id);
  const of = user_id === undefined ? { tenant_id } : { tenant_id, user_id };
  const [budget, spent] = await Promise.all([
    readBudget(deps.table, tenant_id, scope),
    spentThisMonth(deps.table, of, now),
  ]);
  const { cost_micro_usd, tokens } = spent;
  const used = { cost_micro_usd, tokens };
  return { ...(budget?.limits ?? noLimits), month: monthOf(now), used, reserved: budget?.reserved ?? nothing };
}

/** The tenant's month: its own limits, its plan's, and what is gone of them. */
export async function tenantBudget(deps: PlanDeps, tenant_id: string): Promise<TenantBudget> {
  const [budget, plan] = await Promise.all([monthly(deps, tenant_id), readLimits(deps, tenant_id)]);
  return { ...budget, plan: { cost_micro_usd: plan.microUsdPerMonth, tokens: plan.tokensPerMonth } };
}

/** A running turn holds to it from its next step on; where there was no limit before, within a minute. */
export async function limitTenant(deps: PlanDeps, tenant_id: string, limits: BudgetLimits): Promise<TenantBudget> {
  await writeLimits(deps.table, tenant_id, tenantScope, amounts(limits));
  return tenantBudget(deps, tenant_id);
}

async function requireMember(deps: BudgetDeps, tenant_id: string, user_id: string): Promise<void> {
  if (!(await findMember(deps.table, tenant_id, user_id))) throw new AppError("not_found");
}

/** The same for one member. Throws `not_found` for who is none. */
export async function userBudget(deps: BudgetDeps, tenant_id: string, user_id: string): Promise<UserBudget> {
  await requireMember(deps, tenant_id, user_id);
  return monthly(deps, tenant_id, user_id);
}

export async function limitUser(
  deps: BudgetDeps,
  tenant_id: string,
  user_id: string,
  limits: BudgetLimits,
): Promise<UserBudget> {
  await requireMember(deps, tenant_id, user_id);
  await writeLimits(deps.table, tenant_id, userScope(user_id), amounts(limits));
  return monthly(deps, tenant_id, user_id);
}

async function answerOf(deps: BudgetDeps, conversation: Conversation): Promise<SessionBudget> {
  const { session, turn } = sessionLimits(conversation);
  const spent = await spentWithChildren(deps.table, conversation);
  const { turn_cost_micro_usd = 0, turn_tokens = 0 } = conversation;
  return {
    session: { ...session, used: { cost_micro_usd: spent.cost_micro_usd, tokens: spent.tokens } },
    turn: { ...turn, used: { cost_micro_usd: turn_cost_micro_usd, tokens: turn_tokens } },
  };
}

/** Throws `not_found`. */
export async function sessionBudget(deps: BudgetDeps, key: SessionKey): Promise<SessionBudget> {
  const [conversation] = await Promise.all([readConversation(deps.table, key), requireSessionRow(deps.table, key)]);
  if (!conversation) throw new AppError("not_found");
  return answerOf(deps, conversation);
}

function toLimits({ session, turn }: SessionBudgetLimits): Conversation["limits"] | null {
  const limits = {
    ...(session.cost_micro_usd === null ? {} : { session_cost_micro_usd: session.cost_micro_usd }),
    ...(session.tokens === null ? {} : { session_tokens: session.tokens }),
    ...(turn.cost_micro_usd === null ? {} : { turn_cost_micro_usd: turn.cost_micro_usd }),
    ...(turn.tokens === null ? {} : { turn_tokens: turn.tokens }),
  };
  return Object.keys(limits).length === 0 ? null : limits;
}

/** A running turn holds to it from its next step on. Throws `not_found`. */
export async function limitSession(
  deps: ConversationDeps & BudgetDeps,
  key: SessionKey,
  limits: SessionBudgetLimits,
): Promise<SessionBudget> {
  await requireSessionRow(deps.table, key);
  const outcome = await transition(deps, key, () => ({ rows: [], change: { limits: toLimits(limits) }, result: null }));
  if (outcome.kind !== "committed") throw new AppError("busy");
  return answerOf(deps, outcome.conversation);
}
