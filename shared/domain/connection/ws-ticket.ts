import { rows, type Table } from "../../data/service.ts";
import { digestOf } from "../../digest.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import type { UserClaims } from "../../ports/tokens.ts";

export const ticketSeconds = 60;

/** A ticket for one WebSocket connect. Only its hash is stored. */
export async function issueTicket(
  deps: { table: Table; clock: Pick<Clock, "now">; ids: Pick<Ids, "secret"> },
  user: UserClaims,
): Promise<{ ticket: string; expires_in: number }> {
  const ticket = deps.ids.secret(32);
  await rows(deps.table)
    .entities.wsTicket.create({
      ticket_hash: digestOf(ticket),
      tenant_id: user.tenantId,
      user_id: user.userId,
      generation: user.generation,
      expires_at: Math.floor(deps.clock.now() / 1000) + ticketSeconds,
    })
    .go();
  return { ticket, expires_in: ticketSeconds };
}
