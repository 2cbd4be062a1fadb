import type { CheckpointManifest } from "../../protocol/checkpoint-manifest.ts";

export type ManifestFile = CheckpointManifest["files"][number];
type Files = Pick<CheckpointManifest, "files">;

export interface FilePlan {
  added: string[];
  changed: string[];
  deleted: string[];
}

/** What becomes of the files of `present` on the way to `target`, each list in the order of its paths. */
export function planOf(present: Files, target: Files): FilePlan {
  const left = new Map(present.files.map((file) => [file.path, file]));
  const plan: FilePlan = { added: [], changed: [], deleted: [] };
  for (const { path, oid, mode } of target.files) {
    const before = left.get(path);
    left.delete(path);
    if (!before) plan.added.push(path);
    else if (before.oid !== oid || before.mode !== mode) plan.changed.push(path);
  }
  plan.deleted.push(...left.keys());
  for (const paths of [plan.added, plan.changed, plan.deleted]) paths.sort();
  return plan;
}
