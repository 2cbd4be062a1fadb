import type { Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import { findSessionRow, type SessionRow } from "./session-row.ts";

/** Sessions above one another, when one is put below another: each is a read and a condition. */
export const maxDepth = 32;

const refused = (message: string) =>
  new AppError("validation_failed", `The parent ${message}`, { issues: [{ path: "body.parent", message }] });

/**
 * The wanted parent and what is above it, as far as the root. Throws `not_found` where it is no session of the tenant,
 * `validation_failed` where the session would become its own ancestor or too deep.
 */
export async function lineageOf(table: Table, key: SessionKey, parent: string): Promise<SessionRow[]> {
  const line: SessionRow[] = [];
  let next: string | undefined = parent;
  while (next !== undefined) {
    if (next === key.session_id) throw refused("is the session itself or one of its descendants");
    if (line.length === maxDepth) throw refused(`is more than ${maxDepth} sessions deep`);
    const row: SessionRow | null = await findSessionRow(table, { tenant_id: key.tenant_id, session_id: next });
    // One further up may have been deleted a moment ago: then the line ends there.
    if (!row && line.length === 0) throw new AppError("not_found", "The parent session does not exist");
    if (!row) return line;
    line.push(row);
    next = row.parent;
  }
  return line;
}

/**
 * Holds while the whole line is as it was read: two sessions that are put below each other at the same time check each
 * other's row, so that one of them is refused.
 */
export function lineageChecks(entities: TransactionEntities, line: SessionRow[]): TransactionItem[] {
  return line.map(({ tenant_id, session_id, parent }) =>
    entities.session
      .check({ tenant_id, session_id })
      .where(({ session_id: id, parent: above }, { exists, eq, notExists }) =>
        parent === undefined ? `${exists(id)} AND ${notExists(above)}` : eq(above, parent),
      )
      .commit(),
  );
}
