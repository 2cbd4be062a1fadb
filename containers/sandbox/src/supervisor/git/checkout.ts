import { closeSync, constants, fstatSync, mkdirSync, openSync, rmSync, symlinkSync, writeSync } from "node:fs";
import { OpenFolder, errorCode } from "../workspace/open-folder.ts";
import {
  type Entry,
  type Folder,
  type TreeRow,
  commitMode,
  emptyFolder,
  fileModeOf,
  folderMode,
  isSafeName,
  parseTree,
} from "./folder-tree.ts";
import type { ObjectStore } from "./object-store.ts";
import type { StatCache } from "./stat-cache.ts";

const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const maxDepth = 200;
/** Files read at once: the time goes into waiting for the disk. */
const readAhead = 32;

interface Checkout {
  store: ObjectStore;
  stats: StatCache;
  tree: string;
  workspace: string;
}

/** Writes a tree's files into the (empty) workspace. Throws on a path that could lead out of it. */
export async function checkOut({ store, stats, tree, workspace }: Checkout): Promise<Folder> {
  const root = OpenFolder.root(workspace);
  try {
    return await writeFolder({ store, stats }, root, "", tree, 0);
  } finally {
    root.close();
  }
}

type Context = Pick<Checkout, "store" | "stats">;

async function writeFolder(
  context: Context,
  into: OpenFolder,
  path: string,
  tree: string,
  depth: number,
): Promise<Folder> {
  if (depth > maxDepth) throw new Error("the repository's folders are nested too deep");
  const entries = new Map<string, Entry>();
  const rows = parseTree((await context.store.read(tree)).body);
  for (let at = 0; at < rows.length; at += readAhead) {
    for (const [{ mode, name, oid }, content] of await readFiles(context, rows.slice(at, at + readAhead))) {
      const below = path ? `${path}/${name}` : name;
      if (!isSafeName(name) || entries.has(name))
        throw new Error(`the repository holds an unsafe path: ${JSON.stringify(below).slice(0, 200)}`);
      if (mode === folderMode) entries.set(name, await writeSubfolder(context, into, name, below, oid, depth));
      else if (content === null) entries.set(name, writeSubmodule(into, name, oid));
      else entries.set(name, writeFile(context, into, name, below, oid, mode, content));
    }
  }
  return entries.size === 0 ? emptyFolder : { kind: "folder", oid: tree, entries };
}

/** Each row with its file's content; null for what is no file. */
function readFiles({ store }: Context, rows: TreeRow[]): Promise<[TreeRow, Buffer | null][]> {
  return Promise.all(
    rows.map(async (row) => {
      const isFile = row.mode !== folderMode && row.mode !== commitMode;
      return [row, isFile ? (await store.read(row.oid)).body : null];
    }),
  );
}

async function writeSubfolder(
  context: Context,
  into: OpenFolder,
  name: string,
  path: string,
  tree: string,
  depth: number,
): Promise<Entry> {
  makeFolder(into, name);
  const folder = into.folder(name);
  try {
    return await writeFolder(context, folder, path, tree, depth + 1);
  } finally {
    folder.close();
  }
}

function writeSubmodule(into: OpenFolder, name: string, oid: string): Entry {
  makeFolder(into, name);
  return { kind: "commit", oid };
}

function makeFolder(into: OpenFolder, name: string): void {
  try {
    mkdirSync(into.path(name), { mode: 0o777 });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
}

function writeFile(
  context: Context,
  into: OpenFolder,
  name: string,
  path: string,
  oid: string,
  rawMode: string,
  body: Buffer,
): Entry {
  const mode = fileModeOf(rawMode);
  rmSync(into.path(name), { force: true });
  if (mode === "120000") symlinkSync(body, into.path(name));
  else writeContent(context, into, name, path, oid, body, mode === "100755");
  return { kind: "file", mode, oid, sizeBytes: body.length };
}

function writeContent(
  context: Context,
  into: OpenFolder,
  name: string,
  path: string,
  oid: string,
  body: Buffer,
  executable: boolean,
): void {
  const fd = openSync(into.path(name), createFlags, executable ? 0o777 : 0o666);
  try {
    for (let at = 0; at < body.length;) at += writeSync(fd, body, at);
    context.stats.trust(path, fstatSync(fd, { bigint: true }), oid);
  } finally {
    closeSync(fd);
  }
}
