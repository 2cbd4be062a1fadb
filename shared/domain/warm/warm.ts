import type { EntityItem } from "electrodb";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";

export type WarmSandbox = EntityItem<Platform["entities"]["warmSandbox"]>;

export async function listWarm(table: Table): Promise<WarmSandbox[]> {
  const found = await rows(table).entities.warmSandbox.query.byPool({}).go({ pages: "all", consistent: true });
  return found.data;
}

export async function findWarm(table: Table, pool_id: string): Promise<WarmSandbox | null> {
  const found = await rows(table).entities.warmSandbox.get({ pool_id }).go({ consistent: true });
  return found.data;
}

type Change = Partial<
  Pick<
    WarmSandbox,
    "status" | "task_id" | "connection_id" | "adopts_in_place" | "is_prepared" | "private_ip" | "last_heartbeat_at"
  >
>;

/** False where it was given away, or is gone. */
export async function patchWarm(table: Table, pool_id: string, change: Change): Promise<boolean> {
  try {
    await rows(table)
      .entities.warmSandbox.patch({ pool_id })
      .set(change)
      .where(({ status }, { ne }) => ne(status, "claimed"))
      .go();
    return true;
  } catch (error) {
    if (isConditionFailure(error)) return false;
    throw error;
  }
}

/** The boot secret's one redemption. Throws `unauthenticated` for a second one, or one that nobody launched. */
export async function redeemWarm(deps: { table: Table; clock: Pick<Clock, "now"> }, pool_id: string): Promise<void> {
  try {
    await rows(deps.table)
      .entities.warmSandbox.patch({ pool_id })
      .set({ boot_redeemed_at: deps.clock.now() })
      .where(
        ({ boot_redeemed_at, status }, { notExists, eq }) =>
          `${notExists(boot_redeemed_at)} AND ${eq(status, "starting")}`,
      )
      .go();
  } catch (error) {
    if (isConditionFailure(error)) throw new AppError("unauthenticated");
    throw error;
  }
}
