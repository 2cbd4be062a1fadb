import type { EntityItem } from "electrodb";
import { rows, type Platform, type Table } from "../../data/service.ts";
import type { SessionKey } from "../timeline/row.ts";

/** One committed model call. */
export type LedgerRow = EntityItem<Platform["entities"]["tokenUsage"]>;
/** One container that was ready, and has ended. */
export type SandboxRun = EntityItem<Platform["entities"]["sandboxUsage"]>;
/** The sums of both, by day, user and model. */
export type UsageDay = EntityItem<Platform["entities"]["usageDay"]>;

const all = { pages: "all", consistent: true } as const;

export interface Billed {
  ledger: LedgerRow[];
  runs: SandboxRun[];
  days: UsageDay[];
}

/** Everything that was ever billed of a session. */
export async function billedOf(table: Table, { tenant_id, session_id }: SessionKey): Promise<Billed> {
  const of = { tenant_id, session_id };
  const { tokenUsage, sandboxUsage, usageDay } = rows(table).entities;
  const [ledger, runs, days] = await Promise.all([
    tokenUsage.query.bySession(of).go(all),
    sandboxUsage.query.bySession(of).go(all),
    usageDay.query.bySession(of).go(all),
  ]);
  return { ledger: ledger.data, runs: runs.data, days: days.data };
}
