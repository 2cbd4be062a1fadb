import * as z from "zod";

const amount = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

/** `plan` is the hard monthly limit of the tenant's plan; `tenant` and `user` count the calendar month in UTC. */
export const BudgetScope = z.enum(["plan", "tenant", "user", "session", "turn"]);
export type BudgetScope = z.infer<typeof BudgetScope>;

export const BudgetUnit = z.enum(["micro_usd", "tokens"]);
export type BudgetUnit = z.infer<typeof BudgetUnit>;

/** What may be spent; null is no limit. Tokens of all kinds count: input, output, read from and written to the cache. */
export const BudgetLimits = z.strictObject({
  cost_micro_usd: amount.nullable().default(null),
  tokens: amount.nullable().default(null),
});
export type BudgetLimits = z.infer<typeof BudgetLimits>;

export const SessionBudgetLimits = z.strictObject({
  session: BudgetLimits.prefault({}),
  /** Of each turn by itself. */
  turn: BudgetLimits.prefault({}),
});
export type SessionBudgetLimits = z.infer<typeof SessionBudgetLimits>;

const limits = { cost_micro_usd: amount.nullable(), tokens: amount.nullable() };
const Amounts = z.object({ cost_micro_usd: z.number().int(), tokens: z.number().int() });
export type Amounts = z.infer<typeof Amounts>;

/** Of this month. `reserved` is held for the model calls that run now or are next in a running turn; calls whose price is unknown cost 0 in `used`. */
const monthly = { month: z.string(), used: Amounts, reserved: Amounts };

export const UserBudget = z.object({ ...limits, ...monthly });
export type UserBudget = z.infer<typeof UserBudget>;

/** `plan` holds beside the tenant's own limits: the lower one counts. */
export const TenantBudget = UserBudget.extend({ plan: z.object(limits) });
export type TenantBudget = z.infer<typeof TenantBudget>;

export const SessionBudget = z.object({
  session: z.object({ ...limits, used: Amounts }),
  /** `used` is the running turn's; 0 while none runs. */
  turn: z.object({ ...limits, used: Amounts }),
});
export type SessionBudget = z.infer<typeof SessionBudget>;
