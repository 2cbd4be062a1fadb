import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Log } from "../../ports/log.ts";
import type { SandboxProvider } from "../../ports/sandbox-provider.ts";
import { poolEpoch, poolTenant, refillOf, warmRowSeconds } from "./warm.decisions.ts";
import { listWarm, patchWarm, type WarmSandbox } from "./warm.ts";

export interface RefillDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  ids: Pick<Ids, "uuid">;
  provider: Pick<SandboxProvider, "launch" | "stop">;
  bootSecret(sessionId: string, epoch: number): Promise<string>;
  log: Log;
}

/** False where a session has it meanwhile. */
async function drop(table: Table, { pool_id }: WarmSandbox, status: WarmSandbox["status"]): Promise<boolean> {
  try {
    await rows(table)
      .entities.warmSandbox.remove({ pool_id })
      .where((row, { eq }) => eq(row.status, status))
      .go();
    return true;
  } catch (error) {
    if (isConditionFailure(error)) return false;
    throw error;
  }
}

/** Its row goes first: nobody adopts what is about to be stopped. */
async function retire(deps: RefillDeps, warm: WarmSandbox): Promise<void> {
  if (!(await drop(deps.table, warm, warm.status)) || !warm.task_id) return;
  await deps.provider.stop(warm.task_id, "the pool needs it no more");
}

async function launchOne(deps: RefillDeps): Promise<void> {
  const pool_id = deps.ids.uuid();
  const now = deps.clock.now();
  const row = { pool_id, status: "starting" as const, created_at: now, last_heartbeat_at: now };
  await rows(deps.table)
    .entities.warmSandbox.create({ ...row, expires_at: Math.floor(now / 1000) + warmRowSeconds })
    .go();
  const bootSecret = await deps.bootSecret(pool_id, poolEpoch);
  const launch = { tenantId: poolTenant, sessionId: pool_id, epoch: poolEpoch, bootSecret };
  const outcome = await deps.provider.launch(launch);
  if (outcome.kind === "launched") return void (await patchWarm(deps.table, pool_id, { task_id: outcome.taskId }));
  deps.log.warn("no warm sandbox", { error: outcome.message, code: outcome.kind });
  await drop(deps.table, { ...row, expires_at: 0 }, "starting");
}

/** Brings the pool to so many. Two at once may launch too many: the next one retires them. */
export async function refill(deps: RefillDeps, wanted: number): Promise<void> {
  const { retire: retired, forget, launch } = refillOf(await listWarm(deps.table), wanted, deps.clock.now());
  const work = [
    ...retired.map((warm) => retire(deps, warm)),
    ...forget.map((warm) => drop(deps.table, warm, "claimed")),
    ...Array.from({ length: launch }, () => launchOne(deps)),
  ];
  const failed = (await Promise.allSettled<unknown>(work)).find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
}
