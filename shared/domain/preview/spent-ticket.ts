import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Table } from "../../data/service.ts";
import { digestOf } from "../../digest.ts";

/** False where it was spent before. */
export async function spendTicket(table: Table, ticket: string, untilMs: number): Promise<boolean> {
  const expires_at = Math.ceil(untilMs / 1000);
  try {
    await rows(table)
      .entities.spentTicket.create({ ticket_hash: digestOf(ticket), expires_at })
      .go();
    return true;
  } catch (error) {
    if (isConditionFailure(error)) return false;
    throw error;
  }
}
