import { rows, type Table } from "../../data/service.ts";
import type { SessionKey } from "../timeline/row.ts";

const pageRows = 200;

function readPage(table: Table, tenant_id: string | null, cursor: string | null) {
  const { session } = rows(table).entities;
  const options = { cursor, limit: pageRows, consistent: true, attributes: ["tenant_id", "session_id"] } as const;
  return tenant_id === null ? session.scan.go(options) : session.query.byId({ tenant_id }).go(options);
}

/** Every session of a tenant, or of all of them: for operators. One that is made meanwhile may be missed. */
export async function* walkSessions(table: Table, tenant_id: string | null): AsyncGenerator<SessionKey[]> {
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof readPage>> = await readPage(table, tenant_id, cursor);
    yield page.data.map((row) => ({ tenant_id: row.tenant_id, session_id: row.session_id }));
    cursor = page.cursor;
  } while (cursor !== null);
}
