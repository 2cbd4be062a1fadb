import type { Log } from "../../ports/log.ts";
import type { WorkQueue } from "../../ports/work-queue.ts";
import { wake } from "../turn/turn.ts";
import { poolKey } from "./warm.decisions.ts";

export interface PoolSweepDeps {
  queue: WorkQueue;
  log: Log;
  warmSandboxes: number;
}

/** Whoever may start tasks looks at the pool. Where there is none nobody looks. */
export async function sweepPool(deps: PoolSweepDeps): Promise<void> {
  if (deps.warmSandboxes > 0) await wake(deps, poolKey);
}
