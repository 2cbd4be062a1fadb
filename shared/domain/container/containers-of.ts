import { rows, type Table } from "../../data/service.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { Container } from "./container.ts";

/** All runs of the session's sandbox, oldest first. */
export async function containersOf(table: Table, { tenant_id, session_id }: SessionKey): Promise<Container[]> {
  const found = await rows(table)
    .entities.container.query.byEpoch({ tenant_id, session_id })
    .go({ pages: "all", consistent: true });
  return found.data;
}
