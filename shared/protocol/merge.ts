import * as z from "zod";
import { doorOp } from "./door.ts";
import { TurnId } from "./ids.ts";
import { MergeEnded } from "./merge-report.ts";
import { Author, PushTarget } from "./sandbox-frame.ts";

export const maxConflicts = 50;
export const maxHunks = 10;
/** Characters. */
export const maxHunk = 2000;

export const MergeConflict = z.object({
  path: z.string(),
  /** What both sides say, with git's markers; none where there are no lines to compare. */
  hunks: z.array(z.string()),
});
export type MergeConflict = z.infer<typeof MergeConflict>;

export const MergeRequest = z.strictObject({
  /** Also moves this branch, which is the session's target branch, to the result. */
  into: z.string().trim().min(1).max(200).optional(),
  /** The subject of the merge commit. */
  message: z.string().trim().min(1).max(200).optional(),
  /** Where there are conflicts: put them into the files, and ask the AI to resolve them. */
  resolve_with_ai: z.boolean().default(false),
});
export type MergeRequest = z.infer<typeof MergeRequest>;

export const MergeAnswer = z.object({
  /**
   * `resolving`: the files hold the conflicts, and the turn `turn_id` resolves them; the checkpoint that has none of them any
   * more is the merge. `merging`: it is under way and will come to its end; `merge.ended` tells.
   */
  state: z.enum(["up_to_date", "merged", "resolving", "merging"]),
  target_branch: z.string(),
  /** Of the target branch; null: it holds nothing. */
  target_commit: z.string().nullable(),
  /** The newest checkpoint. */
  checkpoint: z.number().int().nullable(),
  /** `into` is at the newest checkpoint now. */
  pushed_into: z.boolean(),
  turn_id: TurnId.nullable(),
  conflicts: z.array(MergeConflict),
});
export type MergeAnswer = z.infer<typeof MergeAnswer>;

export const MergeState = z.object({
  /** `merging`: no turn begins. `resolving`: the files hold conflicts, or did until the newest checkpoint. */
  state: z.enum(["none", "merging", "resolving"]),
  /** Of the merge that is being resolved: the target branch's commit; otherwise null. */
  target_commit: z.string().nullable(),
  /** Files that both sides changed. Resolved: without the merge's markers in the newest checkpoint. */
  conflicts: z.array(z.object({ path: z.string(), resolved: z.boolean() })),
  /** How the last merge ended; null where something else was done with the workspace since. */
  last: MergeEnded.nullable(),
});
export type MergeState = z.infer<typeof MergeState>;

const credential = z.object({ username: z.string(), password: z.string() }).nullable();

/** Repeated it finds that there is nothing to merge any more. */
export const mergeTarget = doorOp(
  "merge.target",
  z.strictObject({
    /** `chk_…` */
    id: z.string(),
    url: z.url(),
    target_branch: z.string(),
    credential,
    message: z.string(),
    author: Author,
    co_author: Author,
    push: PushTarget.nullable(),
    allow_secrets: z.boolean(),
    /** Conflicts are put into the files; otherwise nothing changes. */
    keep_conflicts: z.boolean(),
    /** The target branch moves, too. */
    into: credential,
  }),
  z.object({
    kind: z.enum(["up_to_date", "merged", "conflicts"]),
    target_commit: z.string().nullable(),
    pushed_into: z.boolean(),
    conflicts: z.array(MergeConflict),
  }),
);
export type MergeBody = z.infer<typeof mergeTarget.body>;
export type MergeResult = z.infer<typeof mergeTarget.result>;
