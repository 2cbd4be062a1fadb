import { bytesOfName, nameOfBytes } from "../workspace/file-name.ts";

export type FileMode = "100644" | "100755" | "120000";

export interface FileEntry {
  kind: "file";
  mode: FileMode;
  oid: string;
  sizeBytes: number;
}

/** A submodule: kept as it is. */
interface CommitEntry {
  kind: "commit";
  oid: string;
}

export type Entry = FileEntry | CommitEntry | Folder;

/** A tree object and what it holds. Never changed once made: an unmade checkpoint leaves the old one standing. */
export interface Folder {
  kind: "folder";
  oid: string;
  entries: ReadonlyMap<string, Entry>;
}

export const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
export const emptyFolder: Folder = { kind: "folder", oid: emptyTree, entries: new Map() };

export const commitMode = "160000";
export const folderMode = "40000";

/** As git reads the modes of old trees: of a file's bits only the owner's right to execute counts. */
export function fileModeOf(mode: string): FileMode {
  if (mode === "120000") return mode;
  return Number.parseInt(mode, 8) & 0o100 ? "100755" : "100644";
}

function modeOf(entry: Entry): string {
  if (entry.kind === "file") return entry.mode;
  return entry.kind === "folder" ? folderMode : commitMode;
}

/** The body of a tree object: git sorts by bytes, a folder as if its name ended in a slash. */
export function treeBody(entries: ReadonlyMap<string, Entry>): Buffer {
  const rows = [...entries].map(([name, entry]) => ({
    key: bytesOfName(entry.kind === "folder" ? `${name}/` : name),
    row: Buffer.concat([bytesOfName(`${modeOf(entry)} ${name}\0`), Buffer.from(entry.oid, "hex")]),
  }));
  rows.sort((a, b) => Buffer.compare(a.key, b.key));
  return Buffer.concat(rows.map(({ row }) => row));
}

export interface TreeRow {
  mode: string;
  name: string;
  oid: string;
}

export function parseTree(body: Buffer): TreeRow[] {
  const rows: TreeRow[] = [];
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const end = body.indexOf(0, space);
    if (space < 0 || end < 0 || end + 21 > body.length) throw new Error("malformed tree");
    const name = nameOfBytes(body.subarray(space + 1, end));
    rows.push({ mode: body.toString("latin1", at, space), name, oid: body.toString("hex", end + 1, end + 21) });
    at = end + 21;
  }
  return rows;
}

/** `.git` in any case: never part of a checkpoint, wherever it lies. */
export function isGitFolder(name: string): boolean {
  return name.toLowerCase() === ".git";
}

/** What HFS+ does not see in a name. */
const invisible = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

/** A name that a repository may put into a folder: one part of a path, and never git's own folder. */
export function isSafeName(name: string): boolean {
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) return false;
  // Also the spellings that other file systems take for `.git`: NTFS its short name, its streams, its dots at the end.
  const seen = name
    .replace(invisible, "")
    .replace(/:.*$/s, "")
    .replace(/[. ]+$/, "");
  return !isGitFolder(seen) && !/^git~\d+$/i.test(seen);
}

/** The entry at a path, or null. */
export function entryAt(root: Folder, path: string): Entry | null {
  let at: Entry = root;
  for (const name of path.split("/").filter(Boolean)) {
    if (at.kind !== "folder") return null;
    const next: Entry | undefined = at.entries.get(name);
    if (!next) return null;
    at = next;
  }
  return at;
}

/** Paths of files that differ, and of the topmost folders that only one side has. */
export function differingPaths(from: Folder, to: Folder, path = ""): string[] {
  const names = new Set([...from.entries.keys(), ...to.entries.keys()]);
  return [...names].flatMap((name) => {
    const [before, after] = [from.entries.get(name), to.entries.get(name)];
    const below = path ? `${path}/${name}` : name;
    if (before === after) return [];
    return before?.kind === "folder" && after?.kind === "folder" ? differingPaths(before, after, below) : [below];
  });
}
