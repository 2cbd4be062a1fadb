import { isOutward } from "../outbox/outward.decisions.ts";
import { objectKey } from "../timeline/timeline.ts";
import type { SessionRows } from "./rows.ts";
import type { Report } from "./violation.ts";

/** I7: whoever reads the log from any place reads all of it; and the outside is told of what it should be. */
export function checkLog({ conversation, log, missingBodies }: SessionRows, report: Report): void {
  let expected = 1;
  for (const { seq } of log) {
    if (seq > expected) report("I7", `the rows ${expected} to ${seq - 1} are missing`, seq);
    if (seq < expected) report("I7", `there are two rows ${seq}`, seq);
    expected = seq + 1;
  }
  const { head, published_seq, publish_due_at } = conversation;
  if (head !== expected - 1) report("I7", `the head is ${head}, but the log ends at ${expected - 1}`);
  for (const seq of missingBodies) report("I7", "the body of this message is not in object storage", seq);
  if ((published_seq ?? 0) > head) report("I7", `published up to ${published_seq}, behind the head ${head}`);
  if (publish_due_at !== undefined || published_seq === undefined) return;
  const untold = log.find((row) => row.seq > published_seq && isOutward(row));
  if (untold) report("I7", "nobody will tell the outside of this row", untold.seq);
}

/** I10: every row and every object that a row names is of this session. */
export function checkOwner(rows: SessionRows, report: Report): void {
  const { key, conversation, log } = rows;
  const owned = [conversation, ...rows.calls, ...rows.containers, ...rows.ledger, ...rows.days, ...rows.runs];
  const foreign = owned.filter((row) => row.tenant_id !== key.tenant_id || row.session_id !== key.session_id);
  if (foreign.length > 0) report("I10", `${foreign.length} rows are of another session`);
  const own = `${objectKey(key)}/`;
  const seed = conversation.seed ? (JSON.parse(conversation.seed) as { pack_keys?: string[] }).pack_keys : undefined;
  const inherited = new Set(seed);
  const { until = 0 } = conversation.forked ?? {};
  for (const row of log) {
    const named = row.kind === "checkpoint" ? [...row.pack_keys, row.manifest_key] : [];
    if (row.kind === "event" && row.type === "tool.completed" && row.data.object_key) named.push(row.data.object_key);
    // Of a fork: the checkpoints that it was begun with are held, their objects stay where they are.
    if (row.kind === "checkpoint" && row.seq <= until) for (const object of named) inherited.add(object);
    const others = named.filter((object) => !object.startsWith(own) && !inherited.has(object));
    if (others.length > 0) report("I10", "names an object of another session", row.seq);
  }
}
