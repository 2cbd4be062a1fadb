import { isBinary } from "../../../../../shared/git/blob-bundle.ts";
import type { Merging } from "../../../../../shared/protocol/sandbox-frame.ts";
import { type Folder, entryAt } from "./folder-tree.ts";
import type { ObjectStore } from "./object-store.ts";

type Reading = Pick<ObjectStore, "read">;

/** As git leaves them; of the file's own such lines `own` tells. */
const markers = /^(?:<{7} |={7}\r?$|>{7} )/gm;
const hunkBegins = /^<{7} session/gm;
const markersOfHunk = 3;

/** Longer texts are binary to git: it puts no markers into them. */
const maxTextBytes = 16 * 1024 * 1024;

/** How many, and how long together: they travel with each checkpoint until the merge is made. */
const maxPaths = 500;
const maxPathsLength = 24 * 1024;
const maxPathLength = 1000;

async function textAt(store: Reading, root: Folder, path: string): Promise<string> {
  const entry = entryAt(root, path);
  if (entry?.kind !== "file" || entry.mode === "120000" || entry.sizeBytes > maxTextBytes) return "";
  const { body } = await store.read(entry.oid);
  return isBinary(body) ? "" : body.toString("latin1");
}

const countOf = (text: string, what: RegExp): number => text.match(what)?.length ?? 0;

function keptPaths(paths: readonly string[]): string[] {
  const kept: string[] = [];
  let length = 0;
  for (const path of paths) {
    if (path.length > maxPathLength || kept.length === maxPaths) continue;
    length += path.length;
    if (length > maxPathsLength) break;
    kept.push(path);
  }
  return kept;
}

/** What is kept of conflicts that are put into the files: where they are, and which lines look like markers but are none. */
export async function conflictsToResolve(
  store: Reading,
  merged: Folder,
  conflicts: readonly string[],
): Promise<Pick<Merging, "paths" | "own">> {
  const paths = keptPaths(conflicts);
  const own: Record<string, number> = {};
  for (const path of paths) {
    const text = await textAt(store, merged, path);
    const before = countOf(text, markers) - markersOfHunk * countOf(text, hunkBegins);
    if (before > 0) own[path] = before;
  }
  return { paths, ...(Object.keys(own).length > 0 ? { own } : {}) };
}

/**
 * Which files hold markers still. One that git could put none into (binary, deleted by one side, a link, a folder) is
 * resolved by being what it is at the next checkpoint, and so is one that is gone.
 */
export async function unresolvedPaths(store: Reading, root: Folder, { paths, own = {} }: Merging): Promise<string[]> {
  const unresolved: string[] = [];
  for (const path of paths)
    if (countOf(await textAt(store, root, path), markers) > (own[path] ?? 0)) unresolved.push(path);
  return unresolved;
}
