import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type PackPart, packOf } from "./pack.ts";

interface Made {
  commit: string;
  oids: string[];
  /** Where the objects lie, as they stand in a pack. */
  path: string;
}

/** The commits above the base, oldest first, and the objects that each brought. */
export class History {
  readonly base: string | null;
  readonly #folder: string;
  readonly #made: Made[] = [];

  /** `folder`: private to the supervisor. */
  constructor(base: string | null, folder: string) {
    this.base = base;
    this.#folder = folder;
  }

  get head(): string | null {
    return this.#made.at(-1)?.commit ?? this.base;
  }

  async add(commit: string, { oids, bytes }: PackPart): Promise<void> {
    const path = join(this.#folder, commit);
    await mkdir(this.#folder, { recursive: true });
    await writeFile(path, bytes);
    this.#made.push({ commit, oids, path });
  }

  /** The base, or a commit above it. */
  includes(commit: string): boolean {
    return commit === this.base || this.#made.some((made) => made.commit === commit);
  }

  /** What a repository that has `commit` (null: the base, if anything) lacks for the head. */
  async packAfter(commit: string | null): Promise<Buffer> {
    const from = this.#made.findIndex((made) => made.commit === commit) + 1;
    return packOf(await this.#parts(this.#made.slice(from)));
  }

  /** All objects above the base, and `more`. */
  async completePack(more: PackPart): Promise<Buffer> {
    return packOf([...(await this.#parts(this.#made)), more]);
  }

  #parts(made: Made[]): Promise<PackPart[]> {
    return Promise.all(made.map(async ({ oids, path }) => ({ oids, bytes: await readFile(path) })));
  }
}
