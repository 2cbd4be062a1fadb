import { holdsTurns } from "../checkpoint/operation.decisions.ts";
import type { CheckpointRow } from "../timeline/row.ts";
import type { SessionRows } from "./rows.ts";
import type { TurnsOnLog } from "./turns-on-log.ts";
import type { Report } from "./violation.ts";

type Restored = Extract<SessionRows["log"][number], { type: "checkpoint.restored" }>;
type Numbered = (number: number | null) => CheckpointRow | undefined;

const isRestore = (row: SessionRows["log"][number]): row is Restored =>
  row.kind === "event" && row.type === "checkpoint.restored";

function checkCheckpoint(row: CheckpointRow & { seq: number }, numbered: Numbered, report: Report): void {
  const { number, restored_from, tree, turn_id, cause, seq } = row;
  if (cause === "turn" && turn_id === undefined) report("I13", `checkpoint ${number} is of no turn`, seq);
  if (restored_from === undefined) return;
  if (cause !== "restore") report("I13", `checkpoint ${number} is no restore`, seq);
  if (restored_from >= number) report("I13", `checkpoint ${number} restores ${restored_from}`, seq);
  const target = numbered(restored_from);
  if (target && target.tree !== tree) report("I13", `checkpoint ${number} is not as checkpoint ${restored_from}`, seq);
}

function checkRestore(row: Restored, numbered: Numbered, runsAt: (seq: number) => boolean, report: Report): void {
  const { seq } = row;
  const { number, what, checkpoint, visible_to } = row.data;
  const target = what === "chat" ? undefined : numbered(number);
  if (target && target.tree !== numbered(checkpoint)?.tree)
    report("I13", `the files are not those of checkpoint ${number}`, seq);
  if (runsAt(seq)) report("I13", "a turn ran while it was restored", seq);
  if ((what === "files") !== (visible_to === null)) report("I13", "the chat did not go where it should", seq);
  if (visible_to !== null && (visible_to >= seq || runsAt(visible_to)))
    report("I13", `the chat went back into a turn: ${visible_to}`, seq);
}

/** I13: what was restored is what it says: the files of that checkpoint, the chat up to the end of a turn. */
export function checkRestores({ log, conversation }: SessionRows, { begun }: TurnsOnLog, report: Report): void {
  const checkpoints = log.filter((row) => row.kind === "checkpoint");
  const numbered: Numbered = (number) => checkpoints.find((row) => row.number === number);
  const runsAt = (seq: number) =>
    begun.some(
      (turn) => !turn.isHistory && (turn.begun[0] ?? Infinity) <= seq && (turn.ended[0]?.seq ?? Infinity) > seq,
    );
  for (const row of checkpoints) checkCheckpoint(row, numbered, report);
  for (const row of log) if (isRestore(row)) checkRestore(row, numbered, runsAt, report);
  if (conversation.phase !== "none" && holdsTurns(conversation))
    report("I13", "a turn runs while the files are restored");
}
