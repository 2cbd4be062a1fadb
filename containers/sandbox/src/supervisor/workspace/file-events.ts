export type FileChange = { path: string; kind: "created" | "updated" | "deleted" };

export interface FilesChanged {
  changes: FileChange[];
  more: number;
}

interface FileEventsOptions {
  send: (changed: FilesChanged) => void;
  /** Null for what is no file (a folder) or is gone. */
  exists: (path: string) => "file" | "folder" | null;
  /** Was it in the last checkpoint? */
  isKnown: (path: string) => boolean;
}

const intervalMs = 250;
const maxChanges = 100;
const maxPathBytes = 60 * 1024;

/** Tells people which files change: one frame per interval, each path once, noise left out. */
export class FileEvents {
  readonly #options: FileEventsOptions;
  readonly #pending = new Set<string>();
  /** What came and went since the last checkpoint. */
  readonly #present = new Map<string, boolean>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: FileEventsOptions) {
    this.#options = options;
  }

  add(path: string): void {
    if (isNoise(path)) return;
    this.#pending.add(path);
    this.#timer ??= setTimeout(() => this.#flush(), intervalMs);
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
    const all = [...this.#pending].flatMap((path) => this.#changeOf(path) ?? []);
    this.#pending.clear();
    const changes: FileChange[] = [];
    let bytes = 0;
    for (const change of all) {
      bytes += Buffer.byteLength(change.path);
      if (changes.length === maxChanges || bytes > maxPathBytes) break;
      changes.push(change);
    }
    if (changes.length > 0) this.#options.send({ changes, more: all.length - changes.length });
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
  return path.split("/").some((name) => name.toLowerCase() === ".git" || name === "node_modules");
}
