import * as z from "zod";
import { Timestamp, TurnId } from "./ids.ts";
import { CheckpointCause, PushStatus, RestoreWhat, SecretFinding } from "./server-event.ts";

export const Checkpoint = z.object({
  number: z.number().int(),
  seq: z.number().int(),
  /** Null where no turn made it. */
  turn_id: TurnId.nullable(),
  cause: CheckpointCause,
  /** Of a restore: the checkpoint whose files these are. */
  restored_from: z.number().int().nullable(),
  commit: z.string(),
  parent_commit: z.string().nullable(),
  branch: z.string().nullable(),
  message: z.string(),
  stat: z.object({ files: z.number().int(), insertions: z.number().int(), deletions: z.number().int() }),
  push_status: PushStatus,
  /** Why the push is held: what looks like a secret. */
  held: z.array(SecretFinding),
  created_at: Timestamp,
});
export type Checkpoint = z.infer<typeof Checkpoint>;

export const maxCheckpointMessage = 500;

/** What `POST .../checkpoints` and `checkpoint.create` take. */
export const checkpointFrame = { message: z.string().trim().min(1).max(maxCheckpointMessage).optional() };
export const CreateCheckpointRequest = z.strictObject(checkpointFrame);

export const CreateCheckpointAnswer = z.object({
  /** `unchanged`: the files are those of `checkpoint`. `pending`: the sandbox has not answered yet; the event follows. */
  state: z.enum(["created", "unchanged", "pending"]),
  /** The newest; null where there is none. */
  checkpoint: Checkpoint.nullable(),
});
export type CreateCheckpointAnswer = z.infer<typeof CreateCheckpointAnswer>;

/** What `POST .../restore` and `checkpoint.restore` take. */
export const restoreFrame = {
  /** 0 is the state before the first one. */
  checkpoint: z.number().int().nonnegative(),
  what: RestoreWhat.default("both"),
  /** Only says what it would do. */
  dry_run: z.boolean().default(false),
};
export const RestoreRequest = z.strictObject(restoreFrame);

const Paths = z.object({
  count: z.number().int(),
  /** The first ones. */
  paths: z.array(z.string()),
});

/** What a restore does, seen from the newest checkpoint: what a running sandbox changed since is saved first, and undone too. */
export const RestorePlan = z.object({
  /** Null where the files stay. */
  files: z.object({ added: Paths, changed: Paths, deleted: Paths }).nullable(),
  /** Null where the chat stays: messages that the model will not see any more, and those that it sees again. */
  messages: z.object({ leaving: z.number().int(), returning: z.number().int() }).nullable(),
  /** The newest checkpoint, and whether a sandbox runs that may have changed files since. */
  compared_with: z.number().int(),
  sandbox_runs: z.boolean(),
});
export type RestorePlan = z.infer<typeof RestorePlan>;

export const RestoreAnswer = z.object({
  /** `restoring`: it is under way and will come to its end; `checkpoint.restored` tells. */
  state: z.enum(["restored", "restoring", "planned"]),
  number: z.number().int(),
  what: RestoreWhat,
  /** The newest checkpoint after it. */
  checkpoint: z.number().int().nullable(),
  /** Of its `checkpoint.restored`. */
  seq: z.number().int().nullable(),
  plan: RestorePlan.nullable(),
});
export type RestoreAnswer = z.infer<typeof RestoreAnswer>;

export const FileStatus = z.enum(["added", "modified", "deleted", "renamed"]);

/** Why there is no text of a difference. */
export const NoDiff = z.enum(["binary", "too_large", "not_kept"]);

export const FileDiff = z.object({
  path: z.string(),
  /** Of a renamed file. */
  old_path: z.string().nullable(),
  status: FileStatus,
  old_mode: z.string().nullable(),
  new_mode: z.string().nullable(),
  /** Null where there is no text to count. */
  insertions: z.number().int().nullable(),
  deletions: z.number().int().nullable(),
  binary: z.boolean(),
  /** Unified, with three lines around each change; null where `no_diff` says why, and where nothing but mode or name changed. */
  diff: z.string().nullable(),
  /** The diff is longer: ask for this path alone. */
  truncated: z.boolean(),
  no_diff: NoDiff.nullable(),
});
export type FileDiff = z.infer<typeof FileDiff>;

export const DiffQuery = z.strictObject({
  /** By default the one before; 0 is the state before the first one. */
  against: z.coerce.number().int().nonnegative().optional(),
  /** This file alone, with all of its diff. */
  path: z.string().min(1).max(4096).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.string().optional(),
});
export type DiffQuery = z.infer<typeof DiffQuery>;

export const DiffPage = z.object({
  checkpoint: z.number().int(),
  against: z.number().int(),
  /** Files that differ, on all pages. */
  files: z.number().int(),
  data: z.array(FileDiff),
  next_cursor: z.string().nullable(),
});
export type DiffPage = z.infer<typeof DiffPage>;

export const PushCheckpointRequest = z.strictObject({
  /** What looks like a secret may leave: in this checkpoint and in later ones. */
  allow_secrets: z.literal(true),
});
