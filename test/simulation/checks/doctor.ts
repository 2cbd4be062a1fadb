import type { SessionRows } from "../../../shared/domain/doctor/rows.ts";
import { examine, lineOf } from "../../../shared/domain/doctor/examine.ts";
import type { TimelineRow } from "../../../shared/domain/timeline/row.ts";
import type { Item } from "../table/expressions.ts";

function messageOf({ body, usage, ...rest }: Item) {
  const counted = usage === undefined ? {} : { usage: JSON.parse(usage as string) as unknown };
  return { kind: "message", ...rest, content: JSON.parse(body as string) as unknown, ...counted };
}

function checkpointOf({ files, insertions, deletions, ...rest }: Item) {
  const absent = { parent_commit: null, branch: null, push_error: null, cause: "turn" };
  return { kind: "checkpoint", ...absent, ...rest, stat: { files, insertions, deletions } };
}

function rowOf(item: Item): TimelineRow | null {
  switch (item["__edb_e__"]) {
    case "chatMessage":
      return messageOf(item) as unknown as TimelineRow;
    case "sessionEvent":
      return { kind: "event", ...item, data: JSON.parse(String(item["data"])) as unknown } as unknown as TimelineRow;
    case "gitCheckpoint":
      return checkpointOf(item) as unknown as TimelineRow;
    default:
      return null;
  }
}

function requestOf({ scope, request_id, result }: Item) {
  const user_id = String(scope).split("#")[0] ?? "";
  return { user_id, request_id: String(request_id), result: JSON.parse(String(result)) as unknown };
}

/** A session's rows as the doctor reads them, straight from the table: its own reads would take longer than the schedule. */
export function doctorRows(items: Item[], tenant_id: string, session_id: string): SessionRows {
  const own = items.filter((item) => item["session_id"] === session_id);
  const of = (entity: string) => own.filter((item) => item["__edb_e__"] === entity) as never[];
  const log = own.map(rowOf).filter((row) => row !== null);
  const containers = of("container") as { epoch: number }[];
  const isOwn = (item: Item) => item["__edb_e__"] === "idempotency" && String(item["scope"]).endsWith(session_id);
  return {
    key: { tenant_id, session_id },
    conversation: of("conversation")[0] as never,
    log: log.toSorted((a, b) => a.seq - b.seq),
    calls: of("toolCall"),
    containers: containers.toSorted((a, b) => a.epoch - b.epoch) as never,
    ledger: of("tokenUsage"),
    days: of("usageDay"),
    runs: of("sandboxUsage"),
    requests: items.filter(isOwn).map(requestOf),
    missingBodies: [],
  };
}

/** The platform's own account failed, or a budget is used up: every prompt would end the same way. */
function holdsQueue({ log }: SessionRows): boolean {
  const end = log.findLast((row) => row.kind === "event" && row.type === "turn.ended");
  if (end?.kind !== "event" || end.type !== "turn.ended") return false;
  return end.data.error?.code === "model_unavailable" || end.data.reason === "budget_reached";
}

/** What the doctor finds in a session, and that nothing is left to do there. */
export function checkSession(rows: SessionRows, now: number, complain: (text: string) => void): void {
  for (const violation of examine(rows, { now })) complain(lineOf(violation));
  const { phase, status, queue, due_at } = rows.conversation;
  if (phase !== "none" && status !== "waiting") complain(`the phase is ${phase}`);
  const isWanted = rows.conversation.container_wanted_until !== undefined;
  if (phase === "none" && due_at !== undefined && !isWanted) complain(`it is due at ${due_at}, and nothing runs`);
  if (phase === "none" && queue.length > 0 && !holdsQueue(rows)) complain("prompts wait, and nothing runs");
}
