import { rows } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import { removalShards } from "./removal.decisions.ts";
import { sendRemoval, type DeleteDeps } from "./remove.ts";

const maxPerShard = 100;

/** Sends the jobs of deleted sessions whose removal should have gone on by now. */
export async function sweepRemovals(
  deps: Pick<DeleteDeps, "table" | "jobs" | "log"> & { clock: Pick<Clock, "now"> },
  now: number,
): Promise<number> {
  const shards = Array.from({ length: removalShards }, (_, shard) => String(shard));
  const counts = await Promise.all(
    shards.map(async (due_shard) => {
      const found = await rows(deps.table)
        .entities.sessionRemoval.query.dueForRemoval({ due_shard })
        .lte({ due_at: now })
        .go({ limit: maxPerShard });
      for (const { tenant_id, session_id } of found.data) await sendRemoval(deps, { tenant_id, session_id });
      return found.data.length;
    }),
  );
  return counts.reduce((sum, one) => sum + one, 0);
}
