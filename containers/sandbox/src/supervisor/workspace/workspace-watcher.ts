import { type FSWatcher, lstatSync, mkdirSync, readdirSync, rmSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { log, messageOf } from "../../log.ts";
import { isGitFolder } from "../git/folder-tree.ts";
import { mayBeLossy } from "./file-name.ts";
import { errorCode, orNull } from "./open-folder.ts";

export interface WatcherHandlers {
  /** `whole`: a folder that is new, with everything in it. */
  onChange: (path: string, whole: boolean) => void;
  /** Something may have been missed: the next checkpoint must look at everything. */
  onFault: (reason: string) => void;
  /** Folders that need no watch: git's own and ignored ones. */
  isSkipped: (path: string) => boolean;
  /** A folder that this user may not read yet. */
  onUnreadable: (path: string) => void;
}

const drainTimeoutMs = 2000;
/** The kernel drops events silently once 16,384 wait; so many between two checkpoints and some may be missing. */
const burstEvents = 8192;
/** To watch and to leave a folder takes the kernel its time: code that swaps folders in a loop would take all of it. */
const mostLeftPerSecond = 50;

/**
 * Watches the workspace by one inotify watch per folder. All watches of a process share one kernel queue, in order:
 * when a mark written elsewhere has come through, so has every change before it (`drain`).
 */
export class WorkspaceWatcher {
  readonly #root: string;
  readonly #markFolder: string;
  readonly #handlers: WatcherHandlers;
  readonly #watches = new Map<string, FSWatcher>();
  readonly #unwatched = new Set<string>();
  #markWatch: FSWatcher | null = null;
  #mark = 0;
  #onMark: (() => void) | null = null;
  #events = 0;
  /** Watched folders that went since. */
  #left = 0;
  #leftSinceMs = 0;

  /** `markFolder`: private to the supervisor. */
  constructor(root: string, markFolder: string, handlers: WatcherHandlers) {
    this.#root = root;
    this.#markFolder = markFolder;
    this.#handlers = handlers;
  }

  start(): void {
    mkdirSync(this.#markFolder, { recursive: true });
    this.#markWatch = watch(this.#markFolder, (_event, name) => {
      if (name === `mark-${this.#mark}`) this.#onMark?.();
    });
    this.#watchTree("");
  }

  /** Every change made before the call has been reported when it resolves. */
  async drain(): Promise<void> {
    this.#mark += 1;
    const path = join(this.#markFolder, `mark-${this.#mark}`);
    let timer: NodeJS.Timeout | undefined;
    const seen = new Promise<boolean>((resolve) => {
      this.#onMark = () => resolve(true);
      timer = setTimeout(() => resolve(false), drainTimeoutMs);
    });
    writeFileSync(path, "");
    const drained = await seen;
    clearTimeout(timer);
    this.#onMark = null;
    rmSync(path, { force: true });
    if (!drained) this.#handlers.onFault("the watcher does not answer");
    if (this.#events > burstEvents) this.#handlers.onFault(`${this.#events} events`);
    if (this.#unwatched.size > 0) this.#handlers.onFault(`${this.#unwatched.size} folders are not watched`);
    this.#events = 0;
  }

  /** Watches a folder that a walk came upon, unless it is watched already. */
  ensure(path: string): void {
    if (!this.#watches.has(path)) this.#watchFolder(path);
  }

  close(): void {
    this.#markWatch?.close();
    for (const watcher of this.#watches.values()) watcher.close();
    this.#watches.clear();
  }

  /** The watch comes before the listing: what appears in between is seen twice, never missed. */
  #watchTree(path: string): void {
    if (path !== "" && this.#handlers.isSkipped(path)) return;
    if (!this.#watchFolder(path)) return;
    for (const entry of this.#list(path)) {
      if (mayBeLossy(entry.name)) this.#unwatched.add(path ? `${path}/${entry.name}` : entry.name);
      else if (entry.isDirectory()) this.#watchTree(path ? `${path}/${entry.name}` : entry.name);
    }
  }

  #watchFolder(path: string): boolean {
    try {
      // A symlink's folder is not part of the workspace.
      if (!lstatSync(join(this.#root, path)).isDirectory()) return false;
      const watcher = watch(join(this.#root, path), (event, name) => this.#receive(path, event, name));
      watcher.on("error", (error) => this.#lost(path, error));
      this.#watches.set(path, watcher);
      this.#unwatched.delete(path);
      return true;
    } catch (error) {
      this.#cannotWatch(path, error);
      return false;
    }
  }

  #list(path: string) {
    try {
      return readdirSync(join(this.#root, path), { withFileTypes: true });
    } catch (error) {
      this.#cannotWatch(path, error);
      return [];
    }
  }

  #cannotWatch(path: string, error: unknown): void {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return;
    log("folder not watched", { error: messageOf(error).slice(0, 200) });
    this.#unwatched.add(path);
    if (code === "EACCES" || code === "EPERM") this.#handlers.onUnreadable(path);
  }

  #lost(path: string, error: unknown): void {
    this.#closeUnder(path);
    this.#handlers.onFault(messageOf(error));
  }

  #receive(folder: string, event: string, name: string | null): void {
    this.#events += 1;
    if (name === null || mayBeLossy(name)) return this.#handlers.onChange(folder, true);
    const path = folder ? `${folder}/${name}` : name;
    if (isGitFolder(name)) return;
    // A folder that could not be watched becomes readable by a change of its mode.
    if (event === "change" && !this.#unwatched.has(path)) return this.#handlers.onChange(path, false);
    const found = orNullQuietly(() => lstatSync(join(this.#root, path)));
    if (this.#watches.has(path)) this.#leave(path);
    this.#unwatched.delete(path);
    if (found?.isDirectory() && this.#isChurning()) return this.#postpone(path);
    if (found?.isDirectory()) this.#watchTree(path);
    this.#handlers.onChange(path, found?.isDirectory() ?? false);
  }

  #isChurning(): boolean {
    return this.#left > mostLeftPerSecond && performance.now() - this.#leftSinceMs < 1000;
  }

  #leave(path: string): void {
    if (performance.now() - this.#leftSinceMs >= 1000) [this.#left, this.#leftSinceMs] = [0, performance.now()];
    this.#left += 1;
    this.#closeUnder(path);
  }

  /** Folders come and go faster than they could be watched: the next walk of everything watches it again. */
  #postpone(path: string): void {
    this.#unwatched.add(path);
    this.#handlers.onChange(path, false);
  }

  #closeUnder(path: string): void {
    for (const [watched, watcher] of this.#watches) {
      if (watched !== path && !watched.startsWith(`${path}/`)) continue;
      watcher.close();
      this.#watches.delete(watched);
    }
  }
}

function orNullQuietly<T>(look: () => T): T | null {
  try {
    return orNull(look);
  } catch {
    return null;
  }
}
