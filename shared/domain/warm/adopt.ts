import { rows, type Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Sockets } from "../../ports/sockets.ts";
import { sendCommand } from "../container/command.ts";
import type { Container } from "../container/container.ts";
import { canAdopt } from "./warm.decisions.ts";
import type { WarmSandbox } from "./warm.ts";

export interface AdoptDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  sockets: Pick<Sockets, "post">;
  bootSecret(sessionId: string, epoch: number): Promise<string>;
  log: Log;
}

type Heir = Pick<Container, "tenant_id" | "session_id" | "epoch">;

/**
 * It is this container's from now on, or somebody else's: one transaction names it in both rows, and makes its link the
 * session's where it can go on there. Its token stays the pool's.
 */
async function claim(deps: AdoptDeps, warm: WarmSandbox, heir: Heir): Promise<boolean> {
  const { pool_id, task_id, connection_id = "", adopts_in_place } = warm;
  const { tenant_id, session_id, epoch } = heir;
  const claimed_at = deps.clock.now();
  const { canceled } = await rows(deps.table)
    .transaction.write((entities) => [
      entities.warmSandbox
        .patch({ pool_id })
        .set({ status: "claimed", tenant_id, session_id, epoch, claimed_at })
        .where(({ status }, { eq }) => eq(status, "warm"))
        .commit(),
      entities.container
        .patch({ tenant_id, session_id, epoch })
        .set({ task_id: task_id ?? "" })
        .where((row, { eq, notExists }) => `${eq(row.status, "starting")} AND ${notExists(row.task_id)}`)
        .commit(),
      ...(adopts_in_place
        ? [
            entities.connection
              .patch({ connection_id })
              .set({ tenant_id, session_id, epoch, pool_id })
              .where((row, { eq }) => eq(row.session_id, pool_id))
              .commit(),
          ]
        : []),
    ])
    .go();
  return !canceled;
}

/** Tells it whose it is. False where it has no link any more. */
export async function sendAdoption(
  deps: Pick<AdoptDeps, "sockets" | "bootSecret">,
  { connection_id, adopts_in_place }: Pick<WarmSandbox, "connection_id" | "adopts_in_place">,
  { tenant_id, session_id, epoch }: Heir,
): Promise<boolean> {
  const boot_secret = await deps.bootSecret(session_id, epoch);
  const adoption = { type: "adopt" as const, tenant_id, session_id, epoch, boot_secret };
  return sendCommand(deps, { connection_id }, { ...adoption, ...(adopts_in_place ? { in_place: true } : {}) });
}

/** One of these, which were waiting a moment ago, becomes this container's; its task, or null where there is none. */
export async function adoptWarm(deps: AdoptDeps, heir: Heir, waiting: WarmSandbox[]): Promise<string | null> {
  const now = deps.clock.now();
  for (const warm of waiting.filter((one) => canAdopt(one, now))) {
    if (!warm.task_id || !(await claim(deps, warm, heir))) continue;
    if (await sendAdoption(deps, warm, heir)) return warm.task_id;
    // Should it come back: the row names another task by then, and it is told to stop.
    deps.log.warn("warm sandbox is gone", { session_id: heir.session_id, epoch: heir.epoch });
    return null;
  }
  return null;
}
