import { type OutwardEvent, outwardEventData, OutwardType } from "../../protocol/webhook.ts";
import { toEvent, type NewRow, type SessionKey, type TimelineRow } from "../timeline/row.ts";

/** Null for a row that stays inside. */
function outwardType(row: NewRow): OutwardType | null {
  if (row.kind === "message") return null;
  const type = OutwardType.safeParse(row.kind === "checkpoint" ? "checkpoint.created" : row.type);
  return type.success ? type.data : null;
}

export const isOutward = (row: NewRow): boolean => outwardType(row) !== null;

/**
 * The row as strangers may see it: only the fields that its schema names, and none of a row that was written by another
 * version in another shape. Null for a row that stays inside.
 */
export function outwardEvent(key: SessionKey, row: TimelineRow): OutwardEvent | null {
  const type = outwardType(row);
  if (type === null) return null;
  const { tenant_id, session_id } = key;
  const { seq, at, data } = toEvent(key, row);
  const envelope = { event_id: `evt_${session_id}_${seq}`, tenant_id, session_id, seq, turn_id: row.turn_id ?? null };
  const shown = outwardEventData[type].safeParse(data);
  return { type, at, data: { ...(shown.success ? shown.data : {}), ...envelope } };
}
