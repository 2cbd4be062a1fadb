import type { Table } from "../../data/service.ts";
import type { Objects } from "../../ports/objects.ts";
import type { SessionKey } from "../timeline/row.ts";
import { readBlobs } from "./blobs.ts";
import type { StoredCheckpoint } from "./checkpoint.ts";
import { readManifest } from "./manifest.ts";

export interface KeptFile {
  mode: string;
  oid: string;
  size: number;
  /** Null where its content is in packs only: binary, large, or never changed. */
  bytes: Uint8Array | null;
}

/** A file as a checkpoint has it, without any sandbox; null where it has none of this path. */
export async function readFileAt(
  deps: { table: Table; objects: Pick<Objects, "get"> },
  key: SessionKey,
  checkpoint: Pick<StoredCheckpoint, "number" | "manifest_key">,
  path: string,
): Promise<KeptFile | null> {
  const manifest = await readManifest(deps.objects, checkpoint.manifest_key);
  const file = manifest?.files.find((one) => one.path === path);
  if (!file) return null;
  const { mode, oid, size } = file;
  const found = await readBlobs(deps, key, [0, checkpoint.number], [oid]);
  return { mode, oid, size, bytes: found.get(oid) ?? null };
}
