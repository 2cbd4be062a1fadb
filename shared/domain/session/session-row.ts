import type { EntityItem } from "electrodb";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import { positionText } from "./session-keys.decisions.ts";

export type SessionRow = EntityItem<Platform["entities"]["session"]>;

/** Null for a deleted session, an unknown one and another tenant's. */
export async function findSessionRow(table: Table, key: SessionKey): Promise<SessionRow | null> {
  const { tenant_id, session_id } = key;
  const found = await rows(table).entities.session.get({ tenant_id, session_id }).go({ consistent: true });
  return found.data;
}

/** Foreign and unknown ids are the same 404. */
export async function requireSessionRow(table: Table, key: SessionKey): Promise<SessionRow> {
  const row = await findSessionRow(table, key);
  if (!row) throw new AppError("not_found");
  return row;
}

/** Moves the session to the top of every list it is in. For the transaction of a turn's beginning; refused where it was deleted. */
export function touchSession(entities: TransactionEntities, key: SessionKey, now: number): TransactionItem {
  const { tenant_id, session_id } = key;
  const at = positionText({ at: now, id: session_id });
  return entities.session
    .patch({ tenant_id, session_id })
    .set({ last_activity_at: now, updated_at: now, child_at: at, in_repo_at: at })
    .commit();
}
