import { createHash } from "node:crypto";
import type { Table } from "../../data/service.ts";
import type { Objects } from "../../ports/objects.ts";
import type { CheckpointManifest } from "../../protocol/checkpoint-manifest.ts";
import type { SessionKey } from "../timeline/row.ts";
import { objectKey } from "../timeline/timeline.ts";
import { commitBody, commitId, type CommitFacts, packOfCommit } from "../../git/commit-object.ts";
import { nameOf } from "./object-name.ts";

export interface OfflineDeps {
  table: Table;
  objects: Pick<Objects, "get" | "put">;
}

export interface MadeCommit {
  commit: string;
  pack_key: string;
  manifest_key: string;
}

const sha256 = (body: Uint8Array) => createHash("sha256").update(body).digest("hex");

/**
 * A commit that no sandbox makes: its files are all in packs that are there, so that its own pack holds the commit alone.
 * The same facts make the same objects under the same keys, for as long as no container comes after `epoch`.
 */
export async function commitOffline(
  deps: OfflineDeps,
  { epoch, ...key }: SessionKey & { epoch: number },
  facts: CommitFacts,
  files: CheckpointManifest["files"],
): Promise<MadeCommit> {
  const body = commitBody(facts);
  const commit = commitId(body);
  const pack = packOfCommit(body);
  const manifest = Buffer.from(JSON.stringify({ version: 1, commit, tree: facts.tree, files }));
  const pack_key = objectKey(key, "packs", nameOf(epoch, sha256(pack)));
  const manifest_key = objectKey(key, "manifests", nameOf(epoch, sha256(manifest)));
  await Promise.all([
    deps.objects.put(pack_key, pack, "application/octet-stream"),
    deps.objects.put(manifest_key, manifest, "application/json"),
  ]);
  return { commit, pack_key, manifest_key };
}
