import type { Sockets } from "../../ports/sockets.ts";
import type { Welcome } from "../../protocol/sandbox-frame.ts";
import { sendCommand } from "../container/command.ts";
import type { Container } from "../container/container.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import type { WarmSandbox } from "./warm.ts";

export interface AdoptDeps {
  sockets: Pick<Sockets, "post">;
  bootSecret(sessionId: string, epoch: number): Promise<string>;
}

type Heir = Pick<Container, "tenant_id" | "session_id" | "epoch">;

/**
 * It is this container's from now on, or somebody else's: its part of the transaction that opens the container's row,
 * which names its task. Its link becomes the session's where it can go on there; its token stays the pool's.
 */
export function claimItems(
  entities: TransactionEntities,
  { pool_id, connection_id = "", adopts_in_place }: WarmSandbox,
  { tenant_id, session_id, epoch }: Heir,
  now: number,
): TransactionItem[] {
  const claimed = entities.warmSandbox
    .patch({ pool_id })
    .set({ status: "claimed", tenant_id, session_id, epoch, claimed_at: now })
    .where(({ status }, { eq }) => eq(status, "warm"))
    .commit();
  if (!adopts_in_place) return [claimed];
  const linked = entities.connection
    .patch({ connection_id })
    .set({ tenant_id, session_id, epoch, pool_id })
    .where((row, { eq }) => eq(row.session_id, pool_id))
    .commit();
  return [claimed, linked];
}

/** Tells it whose it is. False where it has no link any more. */
export async function sendAdoption(
  deps: AdoptDeps,
  { connection_id, adopts_in_place }: Pick<WarmSandbox, "connection_id" | "adopts_in_place">,
  { tenant_id, session_id, epoch }: Heir,
  welcome?: Welcome,
): Promise<boolean> {
  const boot_secret = await deps.bootSecret(session_id, epoch);
  const adoption = { type: "adopt" as const, tenant_id, session_id, epoch, boot_secret };
  const inPlace = adopts_in_place ? { in_place: true as const } : {};
  return sendCommand(deps, { connection_id }, { ...adoption, ...inPlace, ...(welcome ? { welcome } : {}) });
}
