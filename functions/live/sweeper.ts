import { systemClock } from "../../shared/adapters/system-clock.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import type { SweepDeps } from "../../shared/domain/turn/sweep.ts";
import { liveJobQueue, liveLog, liveOutboundQueue, liveQueue, liveTable } from "./parts.ts";

export function liveSweeper(): SweepDeps {
  const env = readEnvironment("sweeper", process.env);
  return {
    table: liveTable(env.TABLE_NAME),
    queue: liveQueue(env.WORK_QUEUE_URL),
    outbound: liveOutboundQueue(env.OUTBOUND_QUEUE_URL),
    jobs: liveJobQueue(env.JOB_QUEUE_URL),
    clock: systemClock,
    log: liveLog("sweeper"),
  };
}
