import type { EntityItem } from "electrodb";
import { rows, type Platform, type Table } from "../../data/service.ts";
import type { SessionKey } from "../timeline/row.ts";

export type SessionRow = EntityItem<Platform["entities"]["session"]>;

export async function findSessionRow(table: Table, key: SessionKey): Promise<SessionRow | null> {
  const { tenant_id, session_id } = key;
  const found = await rows(table).entities.session.get({ tenant_id, session_id }).go({ consistent: true });
  return found.data;
}
