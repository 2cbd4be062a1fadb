import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Objects } from "../../ports/objects.ts";
import type { CheckpointManifest } from "../../protocol/checkpoint-manifest.ts";
import type { SessionKey, TimelineRow } from "../timeline/row.ts";
import { readStored, type StoredRow, toCheckpointRow } from "../timeline/timeline.ts";
import type { StoredCheckpoint } from "./checkpoint.ts";
import { readManifest } from "./manifest.ts";

/** Throws `not_found`. */
export async function checkpointAt(table: Table, key: SessionKey, number: number): Promise<StoredCheckpoint> {
  const { tenant_id, session_id } = key;
  const found = await rows(table)
    .entities.gitCheckpoint.query.byNumber({ tenant_id, session_id, number })
    .go({ limit: 1 });
  const [row] = found.data;
  if (!row) throw new AppError("not_found");
  return toCheckpointRow(row);
}

/** A state of the workspace that is stored; number 0 is the one before the first checkpoint. */
export interface State {
  number: number;
  /** Where its checkpoint is on the log; 0 before the first. */
  seq: number;
  turn_id: string | undefined;
  message: string;
  manifest_key: string;
}

/** Throws `not_found`, and `diff_unavailable` for the state before a first checkpoint of an older version. */
export async function stateAt(table: Table, key: SessionKey, number: number): Promise<State> {
  const row = await checkpointAt(table, key, Math.max(number, 1));
  if (number > 0) return { ...row, turn_id: row.turn_id };
  const { parent_manifest_key } = row;
  if (parent_manifest_key === undefined) {
    throw new AppError("diff_unavailable", "What was before the first checkpoint was not kept");
  }
  return { number: 0, seq: 0, turn_id: undefined, message: "the beginning", manifest_key: parent_manifest_key };
}

/** Throws `diff_unavailable` where the object is gone. */
export async function manifestOf(
  objects: Pick<Objects, "get">,
  { manifest_key }: Pick<State, "manifest_key">,
): Promise<CheckpointManifest> {
  const manifest = await readManifest(objects, manifest_key);
  if (!manifest) throw new AppError("diff_unavailable", "The list of its files is gone");
  return manifest;
}

const rowsAtOnce = 100;

function isEdge(row: StoredRow, type: "turn.started" | "turn.ended"): row is Extract<TimelineRow, { kind: "event" }> {
  return row.kind === "event" && row.type === type;
}

/**
 * Up to where the chat of a state goes: the checkpoint, with the end of its turn, which is the row after it. One that came
 * late stands in a later turn, of which nothing belongs to it.
 */
export async function chatEnd(
  table: Table,
  key: SessionKey,
  { seq, turn_id }: Pick<State, "seq" | "turn_id">,
): Promise<number> {
  if (seq === 0) return 0;
  const { rows: following } = await readStored(table, key, { after: seq, limit: 1 });
  const [next] = following;
  if (next && isEdge(next, "turn.ended") && next.turn_id === turn_id) return next.seq;
  for (let before = seq; ;) {
    const page = await readStored(table, key, { before, order: "desc", limit: rowsAtOnce });
    const edge = page.rows.find((row) => isEdge(row, "turn.ended") || isEdge(row, "turn.started"));
    if (edge) return isEdge(edge, "turn.started") ? edge.seq - 1 : seq;
    const last = page.rows.at(-1);
    if (!last || !page.more) return seq;
    before = last.seq;
  }
}
