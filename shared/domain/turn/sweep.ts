import { rows, type Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { JobQueue } from "../../ports/job-queue.ts";
import type { Log } from "../../ports/log.ts";
import type { WorkQueue } from "../../ports/work-queue.ts";
import { sweepTidying } from "../checkpoint/tidy.ts";
import { dueShards, type Conversation } from "../conversation/conversation.ts";
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

type Due = Pick<Conversation, "tenant_id" | "session_id" | "due_at" | "copying">;

async function dueOfShard(table: Table, due_shard: string, now: number): Promise<Due[]> {
  const { query } = rows(table).entities.conversation;
  const page = { limit: maxPerShard, pages: "all" } as const;
  const [due, before] = await Promise.all([
    query.dueForWakeUp({ due_shard }).lte({ due_at: now }).go(page),
    query.dueBefore({ due_shard }).lte({ due_at: now }).go(page),
  ]);
  // A key may be older than its row, which a worker of an earlier release has moved.
  return [...due.data, ...before.data].filter(({ due_at }) => due_at !== undefined && due_at <= now);
}

async function sweepShard(deps: SweepDeps, shard: string, now: number): Promise<number> {
  const due = await dueOfShard(deps.table, shard, now);
  for (const { tenant_id, session_id, copying } of due) {
    if (copying) await sendFork(deps, { tenant_id, session_id });
    else await wake(deps, { tenant_id, session_id });
  }
  return due.length;
}

/** The last resort: wakes every session that should have moved by now. A wake-up too many does nothing. */
export async function sweep(deps: SweepDeps): Promise<number> {
  const now = deps.clock.now();
  const shards = Array.from({ length: dueShards }, (_, shard) => String(shard));
  const swept = await Promise.allSettled([
    ...shards.map((shard) => sweepShard(deps, shard, now)),
    sweepOutbound(deps, now),
    sweepRemovals(deps, now),
    sweepTidying(deps, now),
  ]);
  const count = swept.reduce((sum, one) => sum + (one.status === "fulfilled" ? one.value : 0), 0);
  if (count > 0) deps.log.info("swept", { count });
  // What failed must not keep the others asleep for another minute.
  const failed = swept.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  return count;
}
