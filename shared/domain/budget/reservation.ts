import type { Amounts } from "../../protocol/budget.ts";
import type { Conversation } from "../conversation/conversation.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";

export type Reservation = NonNullable<Conversation["reserved"]>;

const nothing: Amounts = { cost_micro_usd: 0, tokens: 0 };

/** Below how much a budget must hold for others, so that a step may begin; null where nothing limits it. */
export interface Caps {
  cost_micro_usd: number | null;
  tokens: number | null;
}

export const tenantScope = "tenant";
export const userScope = (userId: string) => `user#${userId}`;

function scopesOf({ tenant, user_id }: Reservation): string[] {
  return [...(tenant ? [tenantScope] : []), ...(user_id === undefined ? [] : [userScope(user_id)])];
}

function change(entities: TransactionEntities, tenant_id: string, scope: string, held: Amounts, sign: 1 | -1) {
  return entities.budget.upsert({ tenant_id, scope }).add({
    reserved_cost_micro_usd: sign * held.cost_micro_usd,
    reserved_tokens: sign * held.tokens,
  });
}

/** What of `held` is in the budget of this scope. */
export function heldIn(held: Reservation | undefined, scope: string): Amounts | null {
  return held && scopesOf(held).includes(scope) ? held : null;
}

/**
 * In the transaction of the claim that keeps `held` on its conversation, in the place of what the turn's last step held;
 * refused where a budget is used up.
 */
export function reserve(
  entities: TransactionEntities,
  tenant_id: string,
  { held, before }: { held: Reservation; before: Reservation | undefined },
  capsOf: (scope: string) => Caps,
): TransactionItem[] {
  const scopes = scopesOf(held);
  const left = before ? scopesOf(before).filter((scope) => !scopes.includes(scope)) : [];
  const taken = scopes.map((scope) => {
    const caps = capsOf(scope);
    const own = heldIn(before, scope) ?? nothing;
    const more = { cost_micro_usd: held.cost_micro_usd - own.cost_micro_usd, tokens: held.tokens - own.tokens };
    return change(entities, tenant_id, scope, more, 1)
      .where(({ reserved_cost_micro_usd: cost, reserved_tokens: tokens }, { notExists, lt }) => {
        const below = (attribute: typeof cost, cap: number) => `(${notExists(attribute)} OR ${lt(attribute, cap)})`;
        return [
          ...(caps.cost_micro_usd === null ? [] : [below(cost, caps.cost_micro_usd + own.cost_micro_usd)]),
          ...(caps.tokens === null ? [] : [below(tokens, caps.tokens + own.tokens)]),
        ].join(" AND ");
      })
      .commit();
  });
  return [...taken, ...left.map((scope) => change(entities, tenant_id, scope, before ?? nothing, -1).commit())];
}

/** In the transaction that takes `held` off its conversation, whatever ends the claim. */
export function release(entities: TransactionEntities, tenant_id: string, held: Reservation): TransactionItem[] {
  return scopesOf(held).map((scope) => change(entities, tenant_id, scope, held, -1).commit());
}
