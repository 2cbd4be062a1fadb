import { ECSClient } from "@aws-sdk/client-ecs";
import { ecsInventory } from "../../shared/adapters/sandbox-ecs.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import type { ReapDeps } from "../../shared/domain/container/reap.ts";
import type { PoolSweepDeps } from "../../shared/domain/warm/sweep-pool.ts";
import type { SweepDeps } from "../../shared/domain/turn/sweep.ts";
import { liveJobQueue, liveLog, liveOutboundQueue, liveQueue, liveTable } from "./parts.ts";

export function liveSweeper(): SweepDeps & ReapDeps & PoolSweepDeps {
  const env = readEnvironment("sweeper", process.env);
  return {
    table: liveTable(env),
    queue: liveQueue(env.WORK_QUEUE_URL),
    outbound: liveOutboundQueue(env.OUTBOUND_QUEUE_URL),
    jobs: liveJobQueue(env.JOB_QUEUE_URL),
    inventory: ecsInventory({ client: new ECSClient({}), cluster: env.CLUSTER }),
    warmSandboxes: env.WARM_SANDBOXES,
    clock: systemClock,
    log: liveLog("sweeper"),
  };
}
