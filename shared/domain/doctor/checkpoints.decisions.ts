import { seedOf } from "../checkpoint/checkpoint.ts";
import type { CheckpointRow } from "../timeline/row.ts";
import type { SessionRows } from "./rows.ts";
import type { TurnsOnLog } from "./turns-on-log.ts";
import type { Report } from "./violation.ts";

type Stored = CheckpointRow & { seq: number };

/** I11: numbers rise by one, each goes on from what was there, and the newest is the session's. */
export function checkCheckpoints(rows: SessionRows, { byId }: TurnsOnLog, report: Report): void {
  const { conversation, log } = rows;
  const known = new Set([conversation.base_commit, seedOf(conversation)?.commit]);
  let newest: Stored | undefined;
  for (const row of log) {
    if (row.kind === "event" && row.type === "turn.ended") {
      const named = row.data.checkpoint ?? 0;
      const last = newest?.number ?? 0;
      if (named !== last) report("I11", `the turn ended at checkpoint ${named}, the newest is ${last}`, row.seq);
    }
    if (row.kind !== "checkpoint") continue;
    const { number, commit, parent_commit, turn_id, seq } = row;
    if (number !== (newest?.number ?? 0) + 1) report("I11", `checkpoint ${number} follows ${newest?.number ?? 0}`, seq);
    if (known.has(commit)) report("I11", `checkpoint ${number} is a commit that was there before`, seq);
    const isWhole = parent_commit === null || row.pack_keys.length === 1;
    const isRooted = !newest || isWhole || known.has(parent_commit);
    if (!isRooted) report("I11", `checkpoint ${number} goes on from a state that no turn had`, seq);
    if (turn_id !== undefined && (byId.get(turn_id)?.begun[0] ?? Infinity) > seq)
      report("I11", `checkpoint ${number} is of ${turn_id}, which had not begun`, seq);
    known.add(commit);
    newest = row;
  }
  const { checkpoint, checkpoint_seq, checkpoint_commit } = conversation;
  if (checkpoint !== (newest?.number ?? 0))
    report("I11", `the newest checkpoint is ${checkpoint}, not ${newest?.number}`);
  if (checkpoint_seq !== newest?.seq)
    report("I11", `the newest checkpoint is said to be at ${checkpoint_seq}`, newest?.seq);
  if (checkpoint_commit !== newest?.commit) report("I11", "the newest checkpoint has another commit", newest?.seq);
}
