import { rows, type Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { JobQueue } from "../../ports/job-queue.ts";
import type { Log } from "../../ports/log.ts";
import type { WorkQueue } from "../../ports/work-queue.ts";
import { dueShards } from "../conversation/conversation.ts";
import { sweepOutbound } from "../outbox/sweep-outbound.ts";
import type { OutboundDeps } from "../outbox/wake.ts";
import { sweepRemovals } from "../session/sweep-removals.ts";
import { sendFork } from "../fork/send-fork.ts";
import { wake } from "./turn.ts";

export interface SweepDeps extends OutboundDeps {
  table: Table;
  queue: WorkQueue;
  jobs: JobQueue;
  clock: Pick<Clock, "now">;
  log: Log;
}

/** One sweep wakes at most so many sessions of a shard: the next one is a minute away. */
const maxPerShard = 500;

async function sweepShard(deps: SweepDeps, shard: string, now: number): Promise<number> {
  const found = await rows(deps.table)
    .entities.conversation.query.dueForWakeUp({ due_shard: shard })
    .lte({ due_at: now })
    .go({ limit: maxPerShard, pages: "all" });
  for (const { tenant_id, session_id, copying } of found.data) {
    if (copying) await sendFork(deps, { tenant_id, session_id });
    else await wake(deps, { tenant_id, session_id });
  }
  return found.data.length;
}

/** The last resort: wakes every session that should have moved by now. A wake-up too many does nothing. */
export async function sweep(deps: SweepDeps): Promise<number> {
  const now = deps.clock.now();
  const shards = Array.from({ length: dueShards }, (_, shard) => String(shard));
  const swept = await Promise.allSettled([
    ...shards.map((shard) => sweepShard(deps, shard, now)),
    sweepOutbound(deps, now),
    sweepRemovals(deps, now),
  ]);
  const count = swept.reduce((sum, one) => sum + (one.status === "fulfilled" ? one.value : 0), 0);
  if (count > 0) deps.log.info("swept", { count });
  // What failed must not keep the others asleep for another minute.
  const failed = swept.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  return count;
}
