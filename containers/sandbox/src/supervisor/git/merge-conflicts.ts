import { maxConflicts, maxHunk, maxHunks, type MergeConflict } from "../../../../../shared/protocol/merge.ts";
import { isBinary } from "../../../../../shared/git/blob-bundle.ts";
import { type Folder, entryAt } from "./folder-tree.ts";
import type { ObjectStore } from "./object-store.ts";

/** Nobody reads the markers of a longer file in an answer. */
const maxShownBytes = 4 * 1024 * 1024;

/** The parts of a file between git's markers. */
export function hunksOf(text: string): string[] {
  const hunks: string[] = [];
  let open: string[] | null = null;
  for (const line of text.split("\n")) {
    if (line.startsWith("<<<<<<< ")) open = [];
    open?.push(line);
    if (open && line.startsWith(">>>>>>> ")) {
      hunks.push(open.join("\n").slice(0, maxHunk));
      open = null;
    }
    if (hunks.length === maxHunks) break;
  }
  return hunks;
}

/** What is shown of conflicts; the rest is counted by nobody, people open the files. `merged`: it holds git's markers. */
export async function shownConflicts(
  store: Pick<ObjectStore, "read">,
  merged: Folder,
  paths: readonly string[],
): Promise<MergeConflict[]> {
  const shown: MergeConflict[] = [];
  for (const path of paths.slice(0, maxConflicts)) shown.push({ path, hunks: await hunksAt(store, merged, path) });
  return shown;
}

async function hunksAt(store: Pick<ObjectStore, "read">, merged: Folder, path: string): Promise<string[]> {
  const entry = entryAt(merged, path);
  if (entry?.kind !== "file" || entry.sizeBytes > maxShownBytes) return [];
  const { body } = await store.read(entry.oid);
  return isBinary(body) ? [] : hunksOf(body.toString("utf8"));
}
