import { posix } from "node:path";

const maxKept = 5000;

/**
 * What people wrote and the model has not read since. The first whole-file write over such a file is refused with the
 * reason, so that the model reads it; edits look at what they replace by themselves.
 */
export class EditGuard {
  readonly #workspace: string;
  readonly #unread = new Set<string>();

  constructor(workspace: string) {
    this.#workspace = workspace;
  }

  /** A person wrote this file. */
  edited(path: string): void {
    this.#unread.delete(path);
    this.#unread.add(path);
    const [oldest] = this.#unread.size > maxKept ? this.#unread : [];
    if (oldest !== undefined) this.#unread.delete(oldest);
  }

  /** A tool is about to run. Why it may not; null where it may. */
  refusalOf(name: string, input: Record<string, unknown>): string | null {
    const path = this.#unread.size > 0 ? this.#pathOf(input["file_path"] ?? input["path"]) : null;
    if (path === null || !this.#unread.has(path)) return null;
    if (name === "read") this.#unread.delete(path);
    if (name !== "write") return null;
    this.#unread.delete(path);
    return `write: not done. The user has edited ${path} since you last read it. Read it, keep what they changed, then write again.`;
  }

  #pathOf(given: unknown): string | null {
    if (typeof given !== "string") return null;
    const path = posix.relative(this.#workspace, posix.resolve(this.#workspace, given));
    return path.startsWith("..") ? null : path;
  }
}
