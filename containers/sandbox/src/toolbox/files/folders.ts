import { rmdirSync, renameSync, unlinkSync } from "node:fs";
import { setImmediate as pause } from "node:timers/promises";
import { AppError } from "../../../../../shared/errors.ts";
import type { FileEntry, FileList } from "../../../../../shared/protocol/file.ts";
import { errorCode, type OpenFolder, orNull } from "../../supervisor/workspace/open-folder.ts";
import { conflictAt, modeOf, presentAt, stampOf } from "./content.ts";
import { hiddenName, inFolder, inPlace, partsOf, type Place } from "./places.ts";

const pauseEvery = 200;
const maxTargetChars = 1000;

function entryOf(folder: OpenFolder, name: string, path: string): FileEntry | null {
  const found = folder.stat(name);
  if (!found) return null;
  const common = { path, mode: modeOf(found), etag: stampOf(found) };
  if (found.isDirectory()) return { ...common, kind: "folder", size: null };
  if (found.isFile()) return { ...common, kind: "file", size: Number(found.size) };
  if (!found.isSymbolicLink()) return { ...common, kind: "other", size: null };
  const target = orNull(() => folder.linkTarget(name).toString("utf8").slice(0, maxTargetChars));
  return target === null ? null : { ...common, kind: "symlink", size: null, target };
}

interface Listing {
  entries: FileEntry[];
  limit: number;
  truncated: boolean;
  looked: number;
}

/** Sorted by name, each folder before what is in it. */
async function collect(folder: OpenFolder, prefix: string, depth: number, into: Listing): Promise<void> {
  const names = folder.names().filter((name) => !hiddenName(name));
  for (const name of names.toSorted()) {
    if (into.entries.length >= into.limit) {
      into.truncated = true;
      return;
    }
    into.looked += 1;
    if (into.looked % pauseEvery === 0) await pause();
    const entry = entryOf(folder, name, prefix + name);
    if (!entry) continue;
    into.entries.push(entry);
    if (entry.kind !== "folder" || depth <= 1 || name === "node_modules") continue;
    const below = orNull(() => folder.folder(name));
    if (!below) continue;
    try {
      await collect(below, `${prefix}${name}/`, depth - 1, into);
    } finally {
      below.close();
    }
  }
}

export function listFolder(
  root: string,
  { path, depth, limit }: { path: string; depth: number; limit: number },
): Promise<FileList> {
  return inFolder(root, path === "" ? [] : partsOf(path), async (folder) => {
    const listing: Listing = { entries: [], limit, truncated: false, looked: 0 };
    await collect(folder, path === "" ? "" : `${path}/`, depth, listing);
    return { entries: listing.entries, truncated: listing.truncated };
  });
}

/** A folder with all that is in it, each level by its own descriptor. */
async function removeTree(parent: OpenFolder, name: string, counted: { removed: number }): Promise<void> {
  const folder = parent.folder(name);
  try {
    for (const child of folder.names()) {
      counted.removed += 1;
      if (counted.removed % pauseEvery === 0) await pause();
      if (!unlinks(folder, child)) await removeTree(folder, child, counted);
    }
  } finally {
    folder.close();
  }
  rmdirSync(parent.at(name));
}

/** False where it is a folder. */
function unlinks(folder: OpenFolder, name: string): boolean {
  if (folder.stat(name)?.isDirectory()) return false;
  try {
    unlinkSync(folder.at(name));
  } catch (error) {
    if (errorCode(error) === "EISDIR") return false;
    if (errorCode(error) !== "ENOENT") throw error;
  }
  return true;
}

export function removePath(
  root: string,
  { path, if_hash, recursive }: { path: string; if_hash?: string | undefined; recursive: boolean },
): Promise<{ path: string; deleted: true }> {
  return inPlace(root, path, async (place) => {
    const { folder, name } = place;
    const found = folder.stat(name);
    if (!found) throw new AppError("not_found", "There is no such file");
    if (if_hash !== undefined) {
      const present = await presentAt(place);
      if (present?.hash !== if_hash) throw await conflictAt(place, if_hash, present);
    }
    if (!found.isDirectory()) unlinkSync(folder.at(name));
    else if (recursive) await removeTree(folder, name, { removed: 0 });
    else rmdirSync(folder.at(name));
    return { path, deleted: true as const };
  });
}

/** A link is moved as itself. */
export function movePath(
  root: string,
  { from, to, overwrite }: { from: string; to: string; overwrite: boolean },
): Promise<{ from: string; to: string }> {
  return inPlace(root, from, (source) => {
    if (!source.folder.stat(source.name)) throw new AppError("not_found", "There is no such file");
    if (`${to}/`.startsWith(`${from}/`))
      throw new AppError("path_not_allowed", "A folder can not be moved into itself");
    return inPlace(root, to, (target) => moveInto(source, target, overwrite, { from, to }), { create: true });
  });
}

function moveInto<T>(source: Place, target: Place, overwrite: boolean, moved: T): T {
  const there = target.folder.stat(target.name);
  if (there && (!overwrite || there.isDirectory())) throw new AppError("conflict", "There is something of this name");
  renameSync(source.folder.at(source.name), target.folder.at(target.name));
  return moved;
}
