import type { OpenApproval } from "../../protocol/approval.ts";
import { requireSessionRow } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";
import { readTimeline, type TimelineDeps } from "../timeline/timeline.ts";
import { waitsForPerson } from "../tool-call/route.decisions.ts";
import { readCalls } from "../turn/open-calls.ts";

/** A step's rows follow its message: as many as a transaction holds. */
const rowsOfStep = 100;

/** The decisions that the session waits for, in the order of the model's calls. Throws `not_found`. */
export async function openApprovals(deps: TimelineDeps, key: SessionKey): Promise<OpenApproval[]> {
  await requireSessionRow(deps.table, key);
  const { open } = await readCalls(deps.table, key);
  const waiting = new Set(open.filter(waitsForPerson).map(({ approval_id }) => approval_id));
  const [first] = open;
  if (!first || waiting.size === 0) return [];
  const { rows } = await readTimeline(deps, key, { after: first.asked_at_seq, limit: rowsOfStep });
  return rows.flatMap((row) => {
    if (row.kind !== "event" || row.type !== "approval.requested" || !waiting.has(row.data.approval_id)) return [];
    return [{ ...row.data, turn_id: first.turn_id, requested_at: new Date(row.at).toISOString() }];
  });
}
