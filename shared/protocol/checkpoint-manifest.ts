import * as z from "zod";

/** A checkpoint's files, for readers that do not index packs: uploaded as JSON beside each pack. */
export const CheckpointManifest = z.object({
  version: z.literal(1),
  commit: z.string(),
  tree: z.string(),
  files: z.array(
    z.object({
      path: z.string(),
      /** `100644`, `100755`, or `120000` for a symlink. */
      mode: z.string(),
      oid: z.string(),
      /** Bytes. */
      size: z.number().int().nonnegative(),
    }),
  ),
});
export type CheckpointManifest = z.infer<typeof CheckpointManifest>;
