import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../../../../shared/errors.ts";
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
  treeBody,
} from "./folder-tree.ts";
import { runGit } from "./git-program.ts";
import { ObjectReader } from "./object-reader.ts";
import type { ObjectStore } from "./object-store.ts";

/** Trees. */
export interface Sides {
  base: string;
  ours: string;
  theirs: string;
}

export interface MergedTrees {
  folder: Folder;
  /** Paths whose content both sides changed: in the tree they hold git's markers, where they are text. */
  conflicts: string[];
}

const timeoutMs = 20_000;
/** What a merge may bring, unpacked. */
const maxMergedBytes = 1024 * 1024 * 1024;
const maxListBytes = 4 * 1024 * 1024;
const maxDepth = 200;
/** Git's own way to merge text, whatever a repository wants. */
const attributes = "* merge=text -text -eol -crlf -ident -filter -working-tree-encoding\n";
const identity = { "user.name": "sandbox", "user.email": "sandbox@localhost" };
const conflictsFound = 1;

/** A git dir beside the store's, over its objects, which nothing but one merge uses. */
async function makeGitDir(store: ObjectStore): Promise<string> {
  const gitdir = join(store.gitdir, "merge");
  await rm(gitdir, { recursive: true, force: true });
  for (const folder of ["objects/info", "refs/heads", "info"])
    await mkdir(join(gitdir, folder), { recursive: true, mode: 0o700 });
  await writeFile(join(gitdir, "HEAD"), "ref: refs/heads/session\n");
  await writeFile(join(gitdir, "objects/info/alternates"), `${join(store.gitdir, "objects")}\n`);
  await writeFile(join(gitdir, "info/attributes"), attributes);
  return gitdir;
}

/** Only the trees count: histories are shallow, and what was merged before is said by the base. */
async function commitOf(gitdir: string, tree: string, parent: string | null): Promise<string> {
  const args = ["commit-tree", tree, ...(parent ? ["-p", parent] : []), "-m", "side"];
  return (await runGit({ gitdir, args, settings: identity, timeoutMs })).toString("latin1").trim();
}

async function nameSides(gitdir: string, { base, ours, theirs }: Sides): Promise<void> {
  const root = await commitOf(gitdir, base, null);
  for (const [name, tree] of [
    ["session", ours],
    ["target", theirs],
  ] as const)
    await writeFile(join(gitdir, "refs/heads", name), `${await commitOf(gitdir, tree, root)}\n`);
}

/** The objects of a tree become the store's own: the next pack has all that no earlier one had. */
class Taking {
  readonly #reader: ObjectReader;
  readonly #store: ObjectStore;

  #bytesLeft: number;

  constructor(reader: ObjectReader, store: ObjectStore, maxBytes: number) {
    this.#reader = reader;
    this.#store = store;
    this.#bytesLeft = maxBytes;
  }

  async folder(tree: string, like: Folder | null, depth: number): Promise<Folder> {
    if (like?.oid === tree) return like;
    if (tree === emptyTree) return emptyFolder;
    if (depth > maxDepth) throw new Error("the merged folders are nested too deep");
    const entries = new Map<string, Entry>();
    for (const { mode, name, oid } of parseTree((await this.#reader.read(tree)).body)) {
      if (!isSafeName(name)) throw new Error("the target branch holds an unsafe path");
      entries.set(name, await this.#entry(mode, oid, like?.entries.get(name) ?? null, depth));
    }
    return { kind: "folder", oid: this.#store.put("tree", treeBody(entries)), entries };
  }

  async #entry(mode: string, oid: string, like: Entry | null, depth: number): Promise<Entry> {
    if (mode === folderMode) return this.folder(oid, like?.kind === "folder" ? like : null, depth + 1);
    if (mode === commitMode) return { kind: "commit", oid };
    const fileMode = fileModeOf(mode);
    if (like?.kind === "file" && like.oid === oid) return like.mode === fileMode ? like : { ...like, mode: fileMode };
    const { body } = await this.#reader.read(oid);
    this.#bytesLeft -= body.length;
    if (this.#bytesLeft < 0) throw new AppError("payload_too_large", "The target branch brings too much to be merged");
    return { kind: "file", mode: fileMode, oid: this.#store.put("blob", body), sizeBytes: body.length };
  }
}

/** A three-way merge by git's program, in a process of its own. `like`: the folder of `ours`. Throws `payload_too_large`. */
export async function mergeTrees(
  store: ObjectStore,
  sides: Sides,
  like: Folder,
  maxBytes = maxMergedBytes,
): Promise<MergedTrees> {
  const gitdir = await makeGitDir(store);
  const reader = new ObjectReader(gitdir);
  try {
    await nameSides(gitdir, sides);
    const args = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", "session", "target"];
    const run = { gitdir, args, settings: identity, timeoutMs, maxOutputBytes: maxListBytes };
    const said = await runGit({ ...run, alsoGood: conflictsFound });
    const [tree = "", ...paths] = said.toString("utf8").split("\0");
    const conflicts = [...new Set(paths.filter((path) => path !== ""))];
    return { folder: await new Taking(reader, store, maxBytes).folder(tree, like, 0), conflicts };
  } catch (error) {
    await store.forget(store.takeAdded());
    throw error;
  } finally {
    reader.close();
    await rm(gitdir, { recursive: true, force: true });
  }
}
