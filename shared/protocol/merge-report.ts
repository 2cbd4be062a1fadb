import * as z from "zod";
import { WireError } from "./error-code.ts";
import { TurnId } from "./ids.ts";

/** Paths that are named of a merge's conflicts, and how long they may be. */
export const maxNamed = 20;
export const maxNamedLength = 1000;

/** What a sandbox reports of a merge at its end, whether or not anybody still waits for the answer. */
export const MergeReport = z.union([
  z.strictObject({
    kind: z.enum(["up_to_date", "merged", "conflicts"]),
    target_commit: z.string().nullable(),
    pushed_into: z.boolean(),
    /** Paths. */
    conflicts: z.array(z.string().max(maxNamedLength)).max(maxNamed),
  }),
  z.strictObject({ error: WireError }),
]);
export type MergeReport = z.infer<typeof MergeReport>;

/** How a merge ended; of conflicts that stay unresolved the error is `merge_conflict`, and no file changed. */
export const MergeEnded = z.object({
  operation_id: z.string(),
  user_id: z.string(),
  state: z.enum(["up_to_date", "merged", "resolving", "failed"]),
  target_commit: z.string().nullable(),
  /** The newest checkpoint. */
  checkpoint: z.number().int().nullable(),
  pushed_into: z.boolean(),
  /** Of `resolving`. */
  resolved_by: TurnId.nullable(),
  /** Paths; not all of them, where they are many. */
  conflicts: z.array(z.string()),
  error: WireError.nullable(),
});
export type MergeEnded = z.infer<typeof MergeEnded>;
