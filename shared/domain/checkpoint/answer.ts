import type { Checkpoint } from "../../protocol/checkpoint.ts";
import type { StoredCheckpoint } from "./checkpoint.ts";

/** A checkpoint as the API shows it. */
export function toCheckpointAnswer(row: StoredCheckpoint): Checkpoint {
  const { number, seq, turn_id, commit, parent_commit, branch, message, stat, push_status } = row;
  return {
    number,
    seq,
    turn_id: turn_id ?? null,
    cause: row.cause ?? "turn",
    restored_from: row.restored_from ?? null,
    commit,
    parent_commit,
    branch,
    message,
    stat,
    push_status,
    held: push_status === "held" ? (row.secrets ?? []) : [],
    created_at: new Date(row.at).toISOString(),
  };
}
