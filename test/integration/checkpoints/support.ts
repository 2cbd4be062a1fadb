import { createHash } from "node:crypto";
import { recordCheckpoint, type CheckpointReport } from "../../../shared/domain/checkpoint/report.ts";
import type { Link } from "../../../shared/domain/container/link.ts";
import { readSessionForDoctor } from "../../../shared/domain/doctor/read.ts";
import { examine, lineOf } from "../../../shared/domain/doctor/examine.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { objectKey } from "../../../shared/domain/timeline/timeline.ts";
import { BlobBundle } from "../../../shared/git/blob-bundle.ts";
import type { Engine } from "../../support/engine.ts";

export type Files = Record<string, string>;

const sha = (text: string) => createHash("sha1").update(text).digest("hex");
export const blobOf = (text: string) => sha(`blob ${Buffer.byteLength(text)}\0${text}`);
/** Stands for the tree of these files. */
export const treeOf = (files: Files) =>
  sha(`tree ${JSON.stringify(manifestFiles(files).toSorted((a, b) => (a.path < b.path ? -1 : 1)))}`);

export function manifestFiles(files: Files) {
  return Object.entries(files).map(([path, text]) => ({
    path,
    mode: "100644",
    oid: blobOf(text),
    size: Buffer.byteLength(text),
  }));
}

/** A sandbox's side of checkpoints, without a sandbox: what it would report of these files. */
export function checkpointer(engine: () => Engine) {
  async function put(key: SessionKey, folder: string, body: string | Buffer): Promise<string> {
    const name = objectKey(key, folder, createHash("sha256").update(body).digest("hex"));
    await engine().objects.put(name, body, "x");
    return name;
  }

  async function report(
    link: Link,
    turn_id: string,
    parent: { commit: string; files: Files } | null,
    files: Files,
    more: Partial<CheckpointReport> & { secrets?: { path: string; rule: string }[] } = {},
  ): Promise<string> {
    const { secrets, ...rest } = more;
    const tree = treeOf(files);
    const commit = sha(`${tree} ${parent?.commit} ${turn_id} ${rest.cause}`);
    const bundle = new BlobBundle();
    for (const text of [...Object.values(parent?.files ?? {}), ...Object.values(files)])
      bundle.add(blobOf(text), Buffer.from(text));
    const manifest = (of: string, listed: Files, at: string) =>
      put(link.key, "manifests", JSON.stringify({ version: 1, commit: of, tree: at, files: manifestFiles(listed) }));
    const first = parent ? {} : { parent_manifest_key: await manifest("0".repeat(40), {}, treeOf({})) };
    await recordCheckpoint(engine().deps, link, {
      turn_id,
      error: null,
      push: { status: secrets ? "held" : "none", branch: null, error: null },
      checkpoint: {
        commit,
        parent_commit: parent?.commit ?? null,
        tree,
        message: "m",
        stat: { files: 1, insertions: 1, deletions: 0 },
        pack_key: await put(link.key, "packs", `pack ${commit}`),
        pack_bytes: 4,
        pack_is_complete: parent === null,
        manifest_key: await manifest(commit, files, tree),
        blobs_key: await put(link.key, "blobs", bundle.toBuffer()),
        ...first,
        ...(secrets ? { secrets } : {}),
      },
      ...rest,
    });
    return commit;
  }

  /** What the doctor finds. */
  async function examined(key: SessionKey): Promise<string[]> {
    const rows = await readSessionForDoctor(engine().deps, key);
    if (!rows) throw new Error("the session is gone");
    return examine(rows, { now: engine().clock.now() }).map(lineOf);
  }

  return { report, examined };
}
