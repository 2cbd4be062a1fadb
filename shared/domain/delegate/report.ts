import type { Conversation } from "../conversation/conversation.ts";
import type { SessionKey } from "../timeline/row.ts";
import { readTimeline, type TimelineDeps } from "../timeline/timeline.ts";
import { type Report, ReportReader } from "./report.decisions.ts";

const rowsAtOnce = 50;

/** What came of the turn that was delegated to the session; null while it runs. */
export async function readReport(deps: TimelineDeps, child: Conversation): Promise<Report | null> {
  const { tenant_id, session_id, reports_to, head, turn_id } = child;
  if (!reports_to || turn_id === reports_to.own_turn_id) return null;
  const key: SessionKey = { tenant_id, session_id };
  const reader = new ReportReader(reports_to.own_turn_id);
  let before = head + 1;
  while (before > 1) {
    const page = await readTimeline(deps, key, { before, order: "desc", limit: rowsAtOnce });
    const last = page.rows.at(-1);
    if (!last || reader.take(page.rows)) break;
    before = last.seq;
  }
  return reader.report();
}
