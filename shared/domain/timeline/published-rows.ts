import { rows, type Table } from "../../data/service.ts";
import type { EventRow, SessionKey, TimelineRow } from "./row.ts";
import { toCheckpointRow } from "./timeline.ts";

function queryPage(table: Table, key: SessionKey, range: { from: number; to: number }, cursor: string | null) {
  return (
    rows(table)
      .collections.timeline({ tenant_id: key.tenant_id, session_id: key.session_id })
      // A collection compares its upper end as a prefix, below the rows of that very `seq`.
      .between({ seq: range.from }, { seq: range.to + 1 })
      .where(({ role, type }, { notExists, begins }) => `${notExists(role)} AND NOT ${begins(type, "tool.")}`)
      .go({ cursor, consistent: true })
  );
}

/** A part of the log, both ends included, in order, without what has content: neither messages nor tool calls. */
export async function readEventsAndCheckpoints(
  table: Table,
  key: SessionKey,
  range: { from: number; to: number },
): Promise<TimelineRow[]> {
  const found: TimelineRow[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof queryPage>> = await queryPage(table, key, range, cursor);
    const events = page.data.sessionEvent.map(({ seq, at, turn_id, type, data }) => {
      return { kind: "event", seq, at, turn_id, type, data: JSON.parse(data) } as EventRow & {
        seq: number;
        at: number;
      };
    });
    found.push(...events, ...page.data.gitCheckpoint.map(toCheckpointRow));
    cursor = page.cursor;
  } while (cursor);
  return found.toSorted((a, b) => a.seq - b.seq);
}
