import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { OpenFolder, errorCode } from "../workspace/open-folder.ts";
import { type Entry, type FileEntry, type Folder, emptyFolder } from "./folder-tree.ts";
import { type ObjectStore, objectId } from "./object-store.ts";
import type { FileDifference } from "./snapshot.ts";
import type { StatCache } from "./stat-cache.ts";

const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const maxReadBytes = 100 * 1024 * 1024;

export interface RestoreFiles {
  store: Pick<ObjectStore, "read">;
  stats: StatCache;
  workspace: string;
  /** What the files are now, as the last snapshot found them. */
  from: Folder;
  to: Folder;
  /** Part of the names of what has to make room. */
  mark: string;
}

export interface FilesRestored {
  differences: FileDifference[];
  /** What nobody had saved (ignored, or changed in this very moment) and stood in the way: renamed. */
  keptAside: string[];
}

/**
 * Makes the workspace's files those of `to`. Files that are in neither stay; nothing that is not in `from` is overwritten
 * or removed. Done again after it broke off, it does what is left.
 */
export async function restoreFiles(options: RestoreFiles): Promise<FilesRestored> {
  const root = OpenFolder.root(options.workspace);
  const walk = new RestoreWalk(options);
  try {
    await walk.folder(root, "", options.from, options.to);
    return { differences: walk.differences, keptAside: walk.keptAside };
  } finally {
    root.close();
  }
}

class RestoreWalk {
  readonly differences: FileDifference[] = [];
  readonly keptAside: string[] = [];
  readonly #options: RestoreFiles;

  constructor(options: RestoreFiles) {
    this.#options = options;
  }

  /** What goes makes room before anything comes. */
  async folder(open: OpenFolder, path: string, from: Folder, to: Folder): Promise<void> {
    for (const [name, before] of from.entries) {
      const after = to.entries.get(name);
      if (before === after || (before.kind === "folder" && after?.kind === "folder")) continue;
      if (!(before.kind === "file" && after?.kind === "file")) this.#remove(open, name, join(path, name), before);
    }
    for (const [name, after] of to.entries) {
      const before = from.entries.get(name) ?? null;
      if (before !== after) await this.#put(open, name, join(path, name), before, after);
    }
  }

  #remove(open: OpenFolder, name: string, path: string, before: Entry): void {
    if (before.kind === "file") {
      this.differences.push({ path, before, after: null });
      this.#options.stats.forget(path);
      if (this.#holds(open, name, before)) unlinkSync(open.at(name));
      return;
    }
    if (!open.stat(name)?.isDirectory()) return;
    if (before.kind === "folder") {
      const inside = open.folder(name);
      try {
        for (const [child, entry] of before.entries) this.#remove(inside, child, join(path, child), entry);
      } finally {
        inside.close();
      }
    }
    removeIfEmpty(open, name);
  }

  async #put(open: OpenFolder, name: string, path: string, before: Entry | null, after: Entry): Promise<void> {
    if (after.kind === "file") return this.#putFile(open, name, path, before?.kind === "file" ? before : null, after);
    this.#makeFolder(open, name, path);
    if (after.kind === "commit") return;
    const inside = open.folder(name);
    try {
      await this.folder(inside, path, before?.kind === "folder" ? before : emptyFolder, after);
    } finally {
      inside.close();
    }
  }

  #makeFolder(open: OpenFolder, name: string, path: string): void {
    const found = open.stat(name);
    if (found?.isDirectory()) return;
    if (found) this.#setAside(open, name, path);
    mkdirSync(open.at(name), { mode: 0o777 });
  }

  async #putFile(
    open: OpenFolder,
    name: string,
    path: string,
    before: FileEntry | null,
    after: FileEntry,
  ): Promise<void> {
    this.differences.push({ path, before, after });
    const { body } = await this.#options.store.read(after.oid);
    const temporary = `.sandbox-tmp-${this.#options.mark}`;
    removeIfThere(open, temporary);
    // From here to the rename nothing waits: what is looked at is what is replaced.
    const isOwn = this.#holds(open, name, after) || (before !== null && this.#holds(open, name, before));
    if (!isOwn && open.stat(name)) this.#setAside(open, name, path);
    if (after.mode === "120000") symlinkSync(body, open.at(temporary));
    else this.#write(open, temporary, path, body, after);
    renameSync(open.at(temporary), open.at(name));
  }

  #write(open: OpenFolder, temporary: string, path: string, body: Buffer, { mode, oid }: FileEntry): void {
    const fd = openSync(open.at(temporary), createFlags, mode === "100755" ? 0o777 : 0o666);
    try {
      for (let at = 0; at < body.length;) at += writeSync(fd, body, at);
      this.#options.stats.remember(path, fstatSync(fd, { bigint: true }), oid);
    } finally {
      closeSync(fd);
    }
  }

  /** What is there has exactly this content. */
  #holds(open: OpenFolder, name: string, { mode, oid, sizeBytes }: FileEntry): boolean {
    const found = open.stat(name);
    if (!found) return false;
    if (mode === "120000") return found.isSymbolicLink() && objectId("blob", open.linkTarget(name)) === oid;
    if (!found.isFile() || Number(found.size) !== sizeBytes) return false;
    const body = open.read(name, maxReadBytes);
    return body !== null && objectId("blob", body) === oid;
  }

  #setAside(open: OpenFolder, name: string, path: string): void {
    const { mark } = this.#options;
    for (let number = 1; ; number += 1) {
      const aside = `${name}.kept-${mark}${number === 1 ? "" : `-${number}`}`;
      if (open.stat(aside)) continue;
      renameSync(open.at(name), open.at(aside));
      this.keptAside.push(`${path.slice(0, path.length - name.length)}${aside}`);
      return;
    }
  }
}

const join = (path: string, name: string) => (path ? `${path}/${name}` : name);

/** Where something ignored is in it, it stays. */
function removeIfEmpty(open: OpenFolder, name: string): void {
  try {
    rmdirSync(open.at(name));
  } catch (error) {
    const code = errorCode(error) ?? "";
    if (!["ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR"].includes(code)) throw error;
  }
}

function removeIfThere(open: OpenFolder, name: string): void {
  try {
    unlinkSync(open.at(name));
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}
