interface Authored {
  path: string;
  until: number;
}

const attributedMs = 2000;
const maxKept = 500;

/** Which changes that the watcher reports were asked for by a person: they come a moment after. */
export class FileAuthors {
  readonly #now: () => number;
  #authored: Authored[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A person changes this path, and what is below it. */
  note(path: string): void {
    const now = this.#now();
    this.#authored = this.#authored.filter(({ until }) => until > now).slice(-maxKept);
    this.#authored.push({ path, until: now + attributedMs });
  }

  isByUser(path: string): boolean {
    if (this.#authored.length === 0) return false;
    const now = this.#now();
    return this.#authored.some((one) => one.until > now && (path === one.path || path.startsWith(`${one.path}/`)));
  }
}
