import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { log } from "../../log.ts";
import { type Folder, entryAt, isGitFolder } from "../git/folder-tree.ts";
import type { ObjectStore } from "../git/object-store.ts";
import { type Snapshot, excludeOf, takeSnapshot } from "../git/snapshot.ts";
import type { StatCache } from "../git/stat-cache.ts";
import { ChangedPaths } from "./changed-paths.ts";
import { type FileAuthor, FileEvents, type FilesChanged } from "./file-events.ts";
import { IgnoreScope } from "./ignore-rules.ts";
import { OpenFolder, orNull } from "./open-folder.ts";
import { WorkspaceWatcher } from "./workspace-watcher.ts";

interface WorkspaceOptions {
  path: string;
  /** For the watcher's marks: private to the supervisor. */
  markFolder: string;
  store: ObjectStore;
  stats: StatCache;
  /** The tree that the files were checked out from. */
  root: Folder;
  onFilesChanged: (changed: FilesChanged) => void;
  /** Who is taken to have changed a file. */
  authorOf?: (path: string) => FileAuthor;
  /** Make these paths readable to this process's user. */
  share: (paths: string[]) => Promise<void>;
}

/** A snapshot that a checkpoint is being made of. */
export interface PendingSnapshot {
  snapshot: Snapshot;
  /** It is the last checkpoint now. */
  keep: () => void;
  /** It never was: its changes are due again. */
  undo: () => void;
}

/** This often everything is compared, which proves that the watcher missed nothing. */
const walkEvery = 20;
const maxListedFiles = 1000;
const maxGitignoreBytes = 1024 * 1024;

/** The files that people's code works on, and what of them is not in a checkpoint yet. */
export class Workspace {
  readonly #options: WorkspaceOptions;
  readonly #changed = new ChangedPaths();
  readonly #watcher: WorkspaceWatcher;
  readonly #events: FileEvents;
  #saved: Folder;
  #fault: string | null = null;
  #exclude: string | null = null;
  #snapshots = 0;

  constructor(options: WorkspaceOptions) {
    this.#options = options;
    this.#saved = options.root;
    this.#events = new FileEvents({
      send: options.onFilesChanged,
      byOf: options.authorOf ?? (() => "process"),
      exists: (path) => this.#kindOf(path),
      isKnown: (path) => entryAt(this.#saved, path) !== null,
    });
    this.#watcher = new WorkspaceWatcher(options.path, options.markFolder, {
      onChange: (path, whole) => this.#note(path, whole),
      onFault: (reason) => (this.#fault = reason),
      isSkipped: (path) => this.#isSkipped(path),
      onUnreadable: (path) => void options.share([path]),
    });
  }

  get store(): ObjectStore {
    return this.#options.store;
  }

  /** The tree of the last checkpoint. */
  get saved(): Folder {
    return this.#saved;
  }

  /** The files were made those of a tree: what the watcher reports of that is no change. */
  adopt(root: Folder): void {
    this.#keep(root);
  }

  watch(): void {
    this.#watcher.start();
  }

  close(): void {
    this.#watcher.close();
    this.#events.close();
  }

  /** The next snapshot looks at everything. */
  distrust(reason: string): void {
    this.#fault = reason;
  }

  /** Includes every write that ended before the call. */
  async snapshot(): Promise<PendingSnapshot> {
    await this.#watcher.drain();
    this.#snapshots += 1;
    const walksAll = this.#fault !== null || this.#snapshots % walkEvery === 0;
    this.#lookAtExclude();
    if (this.#fault) log("walking everything", { reason: this.#fault });
    this.#fault = null;
    if (walksAll) this.#changed.addAll();
    const taken = this.#changed.take();
    const undo = (): void => this.#changed.putBack(taken);
    try {
      const take = () => takeSnapshot({ ...this.#takeOptions(), changed: taken });
      let snapshot = await take();
      if (snapshot.unreadable.length > 0) {
        await this.#options.share(snapshot.unreadable);
        snapshot = await take();
      }
      const keep = (): void => this.#keep(snapshot.root);
      return { snapshot, keep, undo };
    } catch (error) {
      undo();
      throw error;
    }
  }

  /** It lies in people's own git folder, which is not watched. */
  #lookAtExclude(): void {
    const root = OpenFolder.root(this.#options.path);
    try {
      const exclude = excludeOf(root);
      if (exclude !== this.#exclude) this.#changed.addAll();
      this.#exclude = exclude;
    } finally {
      root.close();
    }
  }

  #takeOptions() {
    const { path, store, stats } = this.#options;
    return {
      workspace: path,
      before: this.#saved,
      store,
      stats,
      onFolder: (folder: string) => this.#watcher.ensure(folder),
    };
  }

  #keep(root: Folder): void {
    this.#saved = root;
    this.#events.checkpointTaken();
  }

  #note(path: string, whole: boolean): void {
    this.#changed.add(path, whole);
    if (!whole) return this.#events.add(path);
    for (const file of listFiles(join(this.#options.path, path), path)) this.#events.add(file);
  }

  #kindOf(path: string): "file" | "folder" | null {
    try {
      const found = orNull(() => lstatSync(join(this.#options.path, path)));
      if (!found) return null;
      return found.isDirectory() ? "folder" : "file";
    } catch {
      return null;
    }
  }

  /** Git's folders, and ignored folders of which nothing is in git. */
  #isSkipped(path: string): boolean {
    const names = path.split("/");
    if (names.some(isGitFolder)) return true;
    if (entryAt(this.#saved, path)) return false;
    const open = [OpenFolder.root(this.#options.path)];
    try {
      let scope = IgnoreScope.root(gitignoreOf(open[0]));
      for (const name of names) {
        if (scope.ignores(name, true)) return true;
        const next = orNull(() => open.at(-1)?.folder(name) ?? null);
        if (!next) return false;
        open.push(next);
        scope = scope.within(name, gitignoreOf(next));
      }
      return false;
    } catch {
      return false;
    } finally {
      for (const folder of open) folder.close();
    }
  }
}

function gitignoreOf(folder: OpenFolder | undefined): string | null {
  return folder?.read(".gitignore", maxGitignoreBytes)?.toString("utf8") ?? null;
}

/** Files below a folder that has just appeared, for people to see: some of them, where they are many. */
function listFiles(absolute: string, path: string): string[] {
  const files: string[] = [];
  const waiting = [{ absolute, path }];
  for (let next = waiting.pop(); next && files.length < maxListedFiles; next = waiting.pop()) {
    for (const entry of entriesOf(next.absolute)) {
      const child = { absolute: join(next.absolute, entry.name), path: `${next.path}/${entry.name}` };
      if (!entry.isDirectory()) files.push(child.path);
      else if (!isGitFolder(entry.name) && entry.name !== "node_modules") waiting.push(child);
    }
  }
  return files;
}

function entriesOf(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
}
