import type { EventRow, TimelineRow } from "../timeline/row.ts";

type Restored = Extract<EventRow, { type: "checkpoint.restored" }>;
type Rewinding = Restored & { seq: number; at: number; data: { visible_to: number } };

/** The chat went back by this row. */
export function isRewind(row: TimelineRow): row is Rewinding {
  return row.kind === "event" && row.type === "checkpoint.restored" && row.data.visible_to !== null;
}

/**
 * What a log shows after restores of the chat: up to where the last one went back, as it was shown then, and what follows
 * it. Prompts whose turn had not begun by then still wait, so they stay.
 */
export function visibleRows(rows: readonly TimelineRow[]): readonly TimelineRow[] {
  const index = rows.findLastIndex(isRewind);
  const rewind = rows[index];
  if (!rewind || !isRewind(rewind)) return rows;
  const until = rows.findIndex(({ seq }) => seq > rewind.data.visible_to);
  const begun = new Set(
    rows.slice(0, index).flatMap((row) => (row.kind === "event" && row.type === "turn.started" ? [row.turn_id] : [])),
  );
  const waiting = rows
    .slice(until, index)
    .filter((row) => row.kind === "message" && row.role === "user" && !begun.has(row.turn_id));
  return [...visibleRows(rows.slice(0, until)), ...waiting, ...rows.slice(index)];
}
