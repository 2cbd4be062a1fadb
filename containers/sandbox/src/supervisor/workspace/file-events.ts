export type FileChange = { path: string; kind: "created" | "updated" | "deleted" };
export type FileAuthor = "user" | "assistant" | "process";

export interface FilesChanged {
  by: FileAuthor;
  changes: FileChange[];
  /** So many more paths changed. */
  more: number;
}

interface FileEventsOptions {
  send: (changed: FilesChanged) => void;
  /** Who is taken to have changed it, asked when it is reported. */
  byOf: (path: string) => FileAuthor;
  /** Null for what is no file (a folder) or is gone. */
  exists: (path: string) => "file" | "folder" | null;
  /** Was it in the last checkpoint? */
  isKnown: (path: string) => boolean;
}

/** After a quiet time the first change is told at once: so long, for those that come with it. */
const leadMs = 4;
const intervalMs = 250;
/** While there is more than people would read. */
const burstIntervalMs = 2000;
const maxChanges = 100;
const maxPathBytes = 60 * 1024;

/** Tells people which files change: one frame per interval and author, each path once, noise left out. */
export class FileEvents {
  readonly #options: FileEventsOptions;
  #pending = new Map<string, FileAuthor>();
  /** What came and went since the last checkpoint. */
  readonly #present = new Map<string, boolean>();
  #timer: NodeJS.Timeout | null = null;
  #nextAtMs = 0;

  constructor(options: FileEventsOptions) {
    this.#options = options;
  }

  add(path: string): void {
    if (isNoise(path)) return;
    const by = this.#options.byOf(path);
    // A person's change is theirs, whatever a process does to it in the same moment.
    if (this.#pending.get(path) !== "user") this.#pending.set(path, by);
    this.#timer ??= setTimeout(() => this.#flush(), Math.max(leadMs, this.#nextAtMs - performance.now()));
  }

  /** After a checkpoint `isKnown` knows all of this. */
  checkpointTaken(): void {
    this.#present.clear();
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
  }

  #flush(): void {
    this.#timer = null;
    const pending = this.#pending;
    this.#pending = new Map();
    let isBurst = false;
    for (const by of ["user", "assistant", "process"] as const) {
      const paths = [...pending].flatMap(([path, author]) => (author === by ? [path] : []));
      const changed = this.#changedOf(by, paths);
      if (changed.changes.length > 0) this.#options.send(changed);
      isBurst ||= changed.more > 0;
    }
    this.#nextAtMs = performance.now() + (isBurst ? burstIntervalMs : intervalMs);
  }

  /** What nobody will be shown is counted, not looked at. */
  #changedOf(by: FileAuthor, paths: string[]): FilesChanged {
    const changes: FileChange[] = [];
    let bytes = 0;
    let looked = 0;
    for (const path of paths) {
      bytes += Buffer.byteLength(path);
      if (changes.length === maxChanges || bytes > maxPathBytes) break;
      looked += 1;
      const change = this.#changeOf(path);
      if (change) changes.push(change);
    }
    return { by, changes, more: paths.length - looked };
  }

  #changeOf(path: string): FileChange | null {
    const was = this.#present.get(path) ?? this.#options.isKnown(path);
    const found = this.#options.exists(path);
    if (found === "folder") return null;
    this.#present.set(path, found !== null);
    if (found) return { path, kind: was ? "updated" : "created" };
    return was ? { path, kind: "deleted" } : null;
  }
}

function isNoise(path: string): boolean {
  return path
    .split("/")
    .some((name) => name.toLowerCase() === ".git" || name === "node_modules" || name.startsWith(".sandbox-tmp-"));
}
