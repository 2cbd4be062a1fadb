import * as z from "zod";

const ObjectId = z.string().regex(/^[0-9a-f]{40}$/);

export const ManifestFile = z.object({
  path: z.string(),
  /** `100644`, `100755`, or `120000` for a symlink. */
  mode: z.string(),
  oid: ObjectId,
  /** Bytes. */
  size: z.number().int().nonnegative(),
});
export type ManifestFile = z.infer<typeof ManifestFile>;

const named = { commit: z.string(), tree: z.string() };

/** A checkpoint's files, for readers that do not index packs: uploaded as JSON beside each pack. */
export const CheckpointManifest = z.object({ version: z.literal(1), ...named, files: z.array(ManifestFile) });
export type CheckpointManifest = z.infer<typeof CheckpointManifest>;

/** What of a complete manifest (never of another delta) is not so any more. */
export const ManifestDelta = z.object({
  version: z.literal(2),
  ...named,
  /** SHA-256 of the complete manifest, which is its name in the same folder: a delta can name nobody else's. */
  base: z.string().regex(/^[0-9a-f]{64}$/),
  /** New, or with other content or mode. */
  files: z.array(ManifestFile),
  removed: z.array(z.string()),
});
export type ManifestDelta = z.infer<typeof ManifestDelta>;

/** An object of the manifests' folder as it is stored. */
export const StoredManifest = z.discriminatedUnion("version", [CheckpointManifest, ManifestDelta]);
