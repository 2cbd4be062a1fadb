import type { BigIntStats } from "node:fs";
import { type ChangedFolder, nothingChanged } from "../workspace/changed-paths.ts";
import { IgnoreScope } from "../workspace/ignore-rules.ts";
import { OpenFolder, errorCode } from "../workspace/open-folder.ts";
import {
  type Entry,
  type FileEntry,
  type FileMode,
  type Folder,
  emptyFolder,
  isGitFolder,
  isSafeName,
  treeBody,
} from "./folder-tree.ts";
import type { ObjectStore } from "./object-store.ts";
import type { StatCache } from "./stat-cache.ts";

export interface FileDifference {
  path: string;
  before: FileEntry | null;
  after: FileEntry | null;
}

export interface Snapshot {
  root: Folder;
  differences: FileDifference[];
  /** Of another user and private: to be shared, then tried again. */
  unreadable: string[];
  /** Too large to be kept in git. */
  leftOut: string[];
  /** Files of ignore rules of which not all count: they are too many, or too much work. */
  cutRules: string[];
}

interface SnapshotOptions {
  workspace: string;
  before: Folder;
  changed: ChangedFolder;
  store: ObjectStore;
  stats: StatCache;
  /** A folder that a walk of everything came upon. */
  onFolder: (path: string) => void;
}

/** Git hosts refuse files over 100 MB. */
export const maxFileBytes = 95 * 1024 * 1024;
const ownerMayExecute = 0o100n;
const yieldEvery = 100;
const changedMeanwhile = new Set(["ENOENT", "ENOTDIR", "ELOOP", "EINVAL"]);

/**
 * The tree of the workspace, by rules of `git add -A`: only changed paths are read, only folders above them written.
 * A folder marked whole is compared entry by entry, where an unchanged stat means an unchanged file.
 */
export async function takeSnapshot(options: SnapshotOptions): Promise<Snapshot> {
  const walk = new SnapshotWalk(options);
  const root = OpenFolder.root(options.workspace);
  try {
    return await walk.run(root);
  } finally {
    root.close();
  }
}

interface Place {
  open: OpenFolder;
  path: string;
  scope: IgnoreScope;
  /** Only what is in git already counts here. */
  ignored: boolean;
}

class SnapshotWalk {
  readonly #options: SnapshotOptions;
  readonly #differences: FileDifference[] = [];
  readonly #unreadable: string[] = [];
  readonly #leftOut: string[] = [];
  readonly #cutRules: string[] = [];
  #looked = 0;

  constructor(options: SnapshotOptions) {
    this.#options = options;
  }

  async run(open: OpenFolder): Promise<Snapshot> {
    const scope = IgnoreScope.root(gitignoreOf(open), excludeOf(open));
    const place = { open, path: "", scope, ignored: false };
    this.#noteCut(place);
    const root = await this.#folder(place, this.#options.before, this.#options.changed);
    // A folder without files is no tree, but the root always is one.
    const written = root ?? emptyFolder;
    if (!root) this.#options.store.put("tree", Buffer.alloc(0));
    const [differences, unreadable, leftOut] = [this.#differences, this.#unreadable, this.#leftOut];
    return { root: written, differences, unreadable, leftOut, cutRules: this.#cutRules };
  }

  /** Null where nothing is left in it. */
  async #folder(place: Place, before: Folder | null, changed: ChangedFolder): Promise<Folder | null> {
    const old = before ?? emptyFolder;
    // Rules that changed decide anew about everything below.
    const whole = changed.whole || before === null || changed.names.has(".gitignore");
    if (whole) this.#options.onFolder(place.path);
    const names = whole ? new Set([...place.open.names(), ...old.entries.keys()]) : changed.names.keys();
    const entries = new Map(old.entries);
    for (const name of names) {
      if ((this.#looked += 1) % yieldEvery === 0) await new Promise((resolve) => setImmediate(resolve));
      const part = changed.names.get(name) ?? nothingChanged;
      const entry = await this.#entry(place, name, old.entries.get(name) ?? null, {
        ...part,
        whole: whole || part.whole,
      });
      if (entry) entries.set(name, entry);
      else entries.delete(name);
    }
    if (entries.size === 0) return null;
    if (before && sameEntries(before.entries, entries)) return before;
    return { kind: "folder", oid: this.#options.store.put("tree", treeBody(entries)), entries };
  }

  async #entry(place: Place, name: string, before: Entry | null, changed: ChangedFolder): Promise<Entry | null> {
    if (isGitFolder(name) || !isSafeName(name)) return null;
    const path = place.path ? `${place.path}/${name}` : name;
    try {
      const found = place.open.stat(name);
      if (found?.isDirectory()) return await this.#subfolder(place, name, path, before, changed);
      if (!found || !(found.isFile() || found.isSymbolicLink())) return this.#removed(path, before);
      const isTracked = before !== null && before.kind !== "folder";
      if (!isTracked && (place.ignored || place.scope.ignores(name, false))) return this.#removed(path, before);
      const old = before?.kind === "file" ? before : null;
      if (before && !old) this.#removed(path, before);
      const mode = modeOf(found);
      // The cache knows contents: it may have seen this one in a snapshot that was never kept, with another mode.
      const isKnown = changed.whole && old?.mode === mode && this.#options.stats.isUnchanged(path, found, old.oid);
      if (isKnown) return old;
      if (found.isFile() && found.size > maxFileBytes) this.#leftOut.push(path);
      const entry = this.#file(place, name, mode);
      if (!entry) return old;
      this.#options.stats.remember(path, found, entry.oid);
      if (old?.oid === entry.oid && old.mode === entry.mode) return old;
      this.#differences.push({ path, before: old, after: entry });
      return entry;
    } catch (error) {
      const code = errorCode(error) ?? "";
      if (code === "EACCES" || code === "EPERM") this.#unreadable.push(path);
      else if (!changedMeanwhile.has(code)) throw error;
      return before;
    }
  }

  async #subfolder(
    place: Place,
    name: string,
    path: string,
    before: Entry | null,
    changed: ChangedFolder,
  ): Promise<Entry | null> {
    if (before?.kind === "commit") return before;
    const old = before?.kind === "folder" ? before : null;
    const ignored = place.ignored || place.scope.ignores(name, true);
    if (!old && ignored) return this.#removed(path, before);
    const open = place.open.folder(name);
    try {
      if (before && !old) this.#removed(path, before);
      const scope = place.scope.within(name, gitignoreOf(open));
      this.#noteCut({ open, path, scope });
      return await this.#folder({ open, path, scope, ignored }, old, changed);
    } finally {
      open.close();
    }
  }

  #noteCut({ open, path, scope }: Pick<Place, "open" | "path" | "scope">): void {
    const isTooLarge = (open.stat(".gitignore")?.size ?? 0n) > maxGitignoreBytes;
    if (scope.isCut || isTooLarge) this.#cutRules.push(path ? `${path}/.gitignore` : ".gitignore");
  }

  /** Null where the file is too large, or was changed meanwhile (which is another event, for the next checkpoint). */
  #file(place: Place, name: string, mode: FileMode): FileEntry | null {
    const body = mode === "120000" ? place.open.linkTarget(name) : place.open.read(name, maxFileBytes);
    if (!body) return null;
    const oid = this.#options.store.put("blob", body);
    return { kind: "file", mode, oid, sizeBytes: body.length };
  }

  #removed(path: string, before: Entry | null): null {
    if (before?.kind === "file") {
      this.#differences.push({ path, before, after: null });
      this.#options.stats.forget(path);
    }
    if (before?.kind === "folder") {
      for (const [name, entry] of before.entries) this.#removed(`${path}/${name}`, entry);
    }
    return null;
  }
}

function modeOf(found: BigIntStats): FileMode {
  if (found.isSymbolicLink()) return "120000";
  return (found.mode & ownerMayExecute) === 0n ? "100644" : "100755";
}

const maxGitignoreBytes = 1024 * 1024;

function gitignoreOf(open: OpenFolder): string | null {
  return open.read(".gitignore", maxGitignoreBytes)?.toString("utf8") ?? null;
}

/** People's own `.git/info/exclude`, where they have made one. */
export function excludeOf(root: OpenFolder): string | null {
  const folders = [root];
  try {
    for (const name of [".git", "info"]) folders.push(folders.at(-1)?.folder(name) ?? root);
    return folders.at(-1)?.read("exclude", maxGitignoreBytes)?.toString("utf8") ?? null;
  } catch {
    return null;
  } finally {
    for (const folder of folders.slice(1)) folder.close();
  }
}

function sameEntries(before: ReadonlyMap<string, Entry>, after: ReadonlyMap<string, Entry>): boolean {
  if (before.size !== after.size) return false;
  for (const [name, entry] of after) if (before.get(name) !== entry) return false;
  return true;
}
