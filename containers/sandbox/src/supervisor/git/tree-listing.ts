import { isUtf8 } from "node:buffer";
import { type Entry, type Folder, commitMode, emptyFolder, fileModeOf, folderMode, isSafeName } from "./folder-tree.ts";
import { nameOfBytes } from "../workspace/file-name.ts";
import { GitFailed, runGit } from "./git-program.ts";

const maxDepth = 200;
/** All that a sandbox can hold in memory, and on its disk. */
const maxEntries = 300_000;
const maxListingBytes = 64 * 1024 * 1024;
const maxTotalBytes = 4 * 1024 * 1024 * 1024;
const listTimeoutMs = 60_000;

interface OpenFolder {
  oid: string;
  entries: Map<string, Entry>;
}

/** What git lists of a tree, checked: no name leads out of the workspace or into a git folder. Throws on anything else. */
export async function listTree(gitdir: string, tree: string): Promise<Folder> {
  const args = ["ls-tree", "-r", "-t", "-l", "-z", "--full-tree", tree];
  try {
    return folderOf(await runGit({ gitdir, args, maxOutputBytes: maxListingBytes, timeoutMs: listTimeoutMs }), tree);
  } catch (error) {
    if (error instanceof GitFailed && error.said.includes("more than it may")) throw tooMany();
    throw error;
  }
}

const tooMany = (): Error =>
  new Error(`the repository holds more than ${maxEntries} files and folders, or they lie too deep`);

/** `<mode> SP <type> SP <oid> SP <padded size> TAB <path> NUL`, each folder before what is in it. */
function folderOf(listing: Buffer, tree: string): Folder {
  const root: OpenFolder = { oid: tree, entries: new Map() };
  const folders = new Map<string, OpenFolder>([["", root]]);
  let [count, bytes] = [0, 0];
  for (const record of recordsOf(listing)) {
    if (record === "") continue;
    if ((count += 1) > maxEntries) throw tooMany();
    const tab = record.indexOf("\t");
    const [mode = "", , oid = "", size = ""] = record.slice(0, tab).split(/ +/);
    const path = record.slice(tab + 1);
    const slash = path.lastIndexOf("/");
    const above = folders.get(slash < 0 ? "" : path.slice(0, slash));
    const name = path.slice(slash + 1);
    if (!above || !isSafeName(name) || above.entries.has(name)) throw unsafe(path);
    const isFolder = mode === "040000" || mode === folderMode;
    if (isFolder && path.split("/").length > maxDepth) throw new Error("the repository's folders are nested too deep");
    const entry = isFolder ? openFolder(folders, path, oid) : entryOf(mode, oid, Number(size) || 0);
    above.entries.set(name, entry);
    if (entry.kind === "file" && (bytes += entry.sizeBytes) > maxTotalBytes)
      throw new Error(`the repository's files are over ${maxTotalBytes / 1024 ** 3} GiB`);
  }
  return root.entries.size === 0 ? emptyFolder : { kind: "folder", ...root };
}

function recordsOf(listing: Buffer): string[] {
  if (isUtf8(listing)) return listing.toString("utf8").split("\0");
  const records: string[] = [];
  for (let at = 0; at < listing.length;) {
    const end = listing.indexOf(0, at);
    records.push(nameOfBytes(listing.subarray(at, end)));
    at = end + 1;
  }
  return records;
}

function openFolder(folders: Map<string, OpenFolder>, path: string, oid: string): Folder {
  const folder = { kind: "folder" as const, oid, entries: new Map<string, Entry>() };
  folders.set(path, folder);
  return folder;
}

function entryOf(mode: string, oid: string, sizeBytes: number): Entry {
  if (mode === commitMode) return { kind: "commit", oid };
  return { kind: "file", mode: fileModeOf(mode), oid, sizeBytes };
}

function unsafe(path: string): Error {
  return new Error(`the repository holds an unsafe path: ${JSON.stringify(path).slice(0, 200)}`);
}
