import {
  type Entry,
  type Folder,
  commitMode,
  emptyFolder,
  emptyTree,
  fileModeOf,
  folderMode,
  isSafeName,
  parseTree,
} from "./folder-tree.ts";
import type { ObjectStore } from "./object-store.ts";

type Reader = Pick<ObjectStore, "read">;

const maxDepth = 200;

/**
 * A tree of the store as a folder, with all of its objects there. What `like` has too is taken from it, so that what does
 * not differ is the same object. Throws where an object is missing, and on an unsafe path.
 */
export async function targetFolder(store: Reader, tree: string, like: Folder | null, depth = 0): Promise<Folder> {
  if (like?.oid === tree) return like;
  if (tree === emptyTree) return emptyFolder;
  if (depth > maxDepth) throw new Error("the checkpoint's folders are nested too deep");
  const entries = new Map<string, Entry>();
  for (const { mode, name, oid } of parseTree((await store.read(tree)).body)) {
    if (!isSafeName(name)) throw new Error("the checkpoint holds an unsafe path");
    entries.set(name, await entryOf(store, mode, oid, like?.entries.get(name) ?? null, depth));
  }
  return { kind: "folder", oid: tree, entries };
}

async function entryOf(store: Reader, rawMode: string, oid: string, like: Entry | null, depth: number): Promise<Entry> {
  if (rawMode === folderMode) return targetFolder(store, oid, like?.kind === "folder" ? like : null, depth + 1);
  if (rawMode === commitMode) return like?.kind === "commit" && like.oid === oid ? like : { kind: "commit", oid };
  const mode = fileModeOf(rawMode);
  if (like?.kind === "file" && like.oid === oid) return like.mode === mode ? like : { ...like, mode };
  return { kind: "file", mode, oid, sizeBytes: (await store.read(oid)).body.length };
}
