import { rows, type Table } from "../../data/service.ts";
import type { Sockets } from "../../ports/sockets.ts";
import { endConnection } from "./connection.ts";

export interface RevokeDeps {
  table: Table;
  sockets: Pick<Sockets, "close">;
}

/** Rows that are written at the same time. */
const atOnce = 25;

async function inParts<T>(items: T[], run: (item: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += atOnce) await Promise.all(items.slice(at, at + atOnce).map(run));
}

/**
 * Ends every connection of a holder (`holderOf`; a user's are also those of the user's API keys). To be called after the
 * row that lets the holder in has changed: a connect that comes later is refused by its transaction, one that came
 * earlier is found here. First none of them may do anything any more, then the sockets are closed, then they are
 * forgotten, so that a call that was cut off can be repeated. Answers how many there were.
 */
export async function revokeConnections(deps: RevokeDeps, tenant_id: string, holder: string): Promise<number> {
  const { tenantConnection } = rows(deps.table).entities;
  const found = await tenantConnection.query
    .byHolder({ tenant_id })
    .begins({ holder })
    .go({ pages: "all", consistent: true });
  await inParts(found.data, ({ connection_id }) => endConnection(deps.table, connection_id));
  await inParts(found.data, ({ connection_id }) => deps.sockets.close(connection_id));
  await inParts(found.data, ({ connection_id, holder: whose }) =>
    tenantConnection.delete({ tenant_id, holder: whose, connection_id }).go(),
  );
  return found.data.length;
}
