import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { PlanLimits, PlanName, Plans } from "../../ports/plans.ts";

export interface PlanDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  plans: Plans;
}

interface Known {
  plan: PlanName;
  readAt: number;
}

/** A process asks again after this: a plan that an operator changes holds everywhere within a minute. */
export const planLifeMs = 60_000;
const maxKnown = 10_000;
const knownBy = new WeakMap<Table, Map<string, Known>>();

/** The tenant's plan: half a read unit a minute and process, whatever the tenant does (ADR 0022). */
export async function readPlan(deps: PlanDeps, tenant_id: string): Promise<PlanName> {
  const known = knownBy.get(deps.table) ?? new Map<string, Known>();
  knownBy.set(deps.table, known);
  const now = deps.clock.now();
  const recent = known.get(tenant_id);
  if (recent && now - recent.readAt < planLifeMs) return recent.plan;
  const found = await rows(deps.table)
    .entities.tenant.get({ tenant_id })
    .go({ attributes: ["plan"] });
  const plan = found.data?.plan ?? deps.plans.defaultPlan;
  if (known.size >= maxKnown) known.clear();
  known.set(tenant_id, { plan, readAt: now });
  return plan;
}

export async function readLimits(deps: PlanDeps, tenant_id: string): Promise<PlanLimits> {
  return deps.plans.limitsOf(await readPlan(deps, tenant_id));
}

/** What the tenant's row says; null where it has the stage's default. Throws `not_found`. */
export async function storedPlan(table: Table, tenant_id: string): Promise<PlanName | null> {
  const found = await rows(table).entities.tenant.get({ tenant_id }).go({ consistent: true });
  if (!found.data) throw new AppError("not_found", "There is no such tenant");
  return found.data.plan ?? null;
}

/** For an operator. Throws `not_found`. What was made without a limit is counted by `adoptSessions`. */
export async function changePlan(table: Table, tenant_id: string, plan: PlanName): Promise<void> {
  try {
    await rows(table).entities.tenant.patch({ tenant_id }).set({ plan }).go();
  } catch (error) {
    if (isConditionFailure(error)) throw new AppError("not_found", "There is no such tenant");
    throw error;
  }
  knownBy.get(table)?.delete(tenant_id);
}
