import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { PlanLimits } from "../../ports/plans.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";

/** What a counter counts. Each is also the name of its limit in the plan. */
export type QuotaName = keyof Pick<PlanLimits, "storedSessions" | "promptsInFlight" | "runningContainers">;

const meanings: Record<QuotaName, string> = {
  storedSessions: "sessions; delete one first",
  promptsInFlight: "prompts at a time; wait until one is answered",
  runningContainers: "sandboxes at a time; send the prompt again when one has stopped",
};

/**
 * Takes one, in the transaction that makes what is counted; refused (`ConditionalCheckFailed`) at the limit. Nothing is
 * written for an unlimited tenant. The row that is made must keep `counted: limit !== null`, and give back only what it
 * took: so the counter stays right whatever becomes of the plan in between.
 */
export function takeQuota(
  entities: TransactionEntities,
  tenant_id: string,
  name: QuotaName,
  limit: number | null,
): TransactionItem[] {
  if (limit === null) return [];
  const taken = entities.quotaCounter
    .upsert({ tenant_id, name })
    .add({ used: 1 })
    .where(({ used }, { notExists, lt }) => (limit > 0 ? `${notExists(used)} OR ${lt(used, limit)}` : lt(used, limit)))
    .commit();
  return [taken];
}

/** In the transaction that ends what was counted. Only where its row says `counted`. */
export function giveBack(
  entities: TransactionEntities,
  tenant_id: string,
  name: QuotaName,
  count = 1,
): TransactionItem {
  return entities.quotaCounter.upsert({ tenant_id, name }).add({ used: -count }).commit();
}

export function quotaExceeded(name: QuotaName, limit: number | null): AppError {
  return new AppError("quota_exceeded", `The plan allows ${limit ?? 0} ${meanings[name]}`);
}

/** How many of it were taken under a limit. */
export async function readQuota(table: Table, tenant_id: string, name: QuotaName): Promise<number> {
  const found = await rows(table).entities.quotaCounter.get({ tenant_id, name }).go({ consistent: true });
  return found.data?.used ?? 0;
}
