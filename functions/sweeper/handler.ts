import { sweepOrphans } from "../../shared/domain/container/reap.ts";
import { sweepPool } from "../../shared/domain/warm/sweep-pool.ts";
import { sweep } from "../../shared/domain/turn/sweep.ts";
import { liveSweeper } from "../live/sweeper.ts";

let deps: ReturnType<typeof liveSweeper> | null = null;

export async function handler(): Promise<void> {
  deps ??= liveSweeper();
  const swept = await Promise.allSettled([sweep(deps), sweepOrphans(deps), sweepPool(deps)]);
  const failed = swept.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
}
