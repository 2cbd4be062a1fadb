import type { EntityItem } from "electrodb";
import { rows, type Platform, type Table } from "../../data/service.ts";
import type { Amounts, BudgetLimits } from "../../protocol/budget.ts";

type Row = EntityItem<Platform["entities"]["budget"]>;

/** A monthly budget as it is stored. */
export interface Budget {
  limits: BudgetLimits;
  reserved: Amounts;
}

function toBudget(row: Partial<Row>): Budget {
  const { limit_cost_micro_usd, limit_tokens, reserved_cost_micro_usd = 0, reserved_tokens = 0 } = row;
  return {
    limits: { cost_micro_usd: limit_cost_micro_usd ?? null, tokens: limit_tokens ?? null },
    reserved: { cost_micro_usd: reserved_cost_micro_usd, tokens: reserved_tokens },
  };
}

/** Null where there never was one. */
export async function readBudget(table: Table, tenant_id: string, scope: string): Promise<Budget | null> {
  const found = await rows(table).entities.budget.get({ tenant_id, scope }).go({ consistent: true });
  return found.data && toBudget(found.data);
}

type Limited = Pick<Partial<Row>, "limit_cost_micro_usd" | "limit_tokens">;

/** Replaces the limits; what is held stays. */
export async function writeLimits(
  table: Table,
  tenant_id: string,
  scope: string,
  { cost_micro_usd, tokens }: BudgetLimits,
): Promise<void> {
  const set: Limited = {
    ...(cost_micro_usd === null ? {} : { limit_cost_micro_usd: cost_micro_usd }),
    ...(tokens === null ? {} : { limit_tokens: tokens }),
  };
  const { budget } = rows(table).entities;
  const names = ["limit_cost_micro_usd", "limit_tokens"] as const;
  const removed = names.filter((name) => set[name] === undefined);
  // The first limit makes the row, also beside a step that holds something for the plan's limit.
  await budget.upsert({ tenant_id, scope }).set(set).go();
  if (removed.length > 0) await budget.patch({ tenant_id, scope }).remove(removed).go();
}
