import type { Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { RunningSandbox, SandboxInventory } from "../../ports/sandbox-provider.ts";
import type { WorkQueue } from "../../ports/work-queue.ts";
import type { SessionKey } from "../timeline/row.ts";
import { wake } from "../turn/turn.ts";
import { isPool } from "../warm/warm.decisions.ts";
import { findWarm, type WarmSandbox } from "../warm/warm.ts";
import { containerOfTask, findContainer, type Container } from "./container.ts";
import { isReapDue, verdictOn, type Verdict } from "./reap.decisions.ts";

export interface ReapDeps {
  table: Table;
  queue: WorkQueue;
  inventory: SandboxInventory;
  clock: Pick<Clock, "now">;
  log: Log;
}

async function judge(deps: ReapDeps, task: RunningSandbox, now: number): Promise<Verdict> {
  const { tenantId: tenant_id, sessionId: session_id, epoch } = task;
  const key = { tenant_id, session_id };
  if (isPool(key)) return judgeWarm(deps, task, now);
  const verdict = verdictOn(task, await findContainer(deps.table, key, epoch), now);
  return carryOut(deps, task, key, verdict);
}

/** Until it is adopted the pool looks after it; from then on it is its container's. */
async function judgeWarm(deps: ReapDeps, task: RunningSandbox, now: number): Promise<Verdict> {
  const warm = await findWarm(deps.table, task.sessionId);
  if (warm && warm.status !== "claimed") return "keep";
  const container = warm ? await heirOf(deps.table, warm) : await containerOfTask(deps.table, task.taskId);
  const { tenant_id = task.tenantId, session_id = task.sessionId } = container ?? {};
  return carryOut(deps, task, { tenant_id, session_id }, verdictOn(task, container, now));
}

/** By the row of the claim: the index of tasks may not have it yet. */
function heirOf(table: Table, { tenant_id = "", session_id = "", epoch = 0 }: WarmSandbox): Promise<Container | null> {
  return findContainer(table, { tenant_id, session_id }, epoch);
}

async function carryOut(deps: ReapDeps, task: RunningSandbox, key: SessionKey, verdict: Verdict): Promise<Verdict> {
  if (verdict === "look") await wake(deps, key);
  if (verdict === "stop") {
    deps.log.warn("orphan stopped", { ...key, epoch: task.epoch });
    await deps.inventory.stop(task.taskId, "no container of the platform names this task");
  }
  return verdict;
}

/**
 * Stops the tasks that no live container names: a row that was lost, a session that was deleted, a platform that was made
 * anew. Nobody else would, and each costs money. Returns how many.
 */
export async function reapOrphans(deps: ReapDeps): Promise<number> {
  const now = deps.clock.now();
  let stopped = 0;
  for await (const page of deps.inventory.running()) {
    const verdicts = await Promise.allSettled(page.map((task) => judge(deps, task, now)));
    stopped += verdicts.filter((one) => one.status === "fulfilled" && one.value === "stop").length;
    const failed = verdicts.find((one) => one.status === "rejected");
    if (failed) deps.log.warn("task not judged", { error: String(failed.reason) });
  }
  if (stopped > 0) deps.log.warn("orphans stopped", { count: stopped });
  return stopped;
}

/** Each few minutes, whoever calls it how often. Tasks are nobody's business while they are few and named. */
export async function sweepOrphans(deps: ReapDeps): Promise<number> {
  return isReapDue(deps.clock.now()) ? reapOrphans(deps) : 0;
}
