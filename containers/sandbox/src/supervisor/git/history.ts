import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type PackPart, packOf, sha256OfPack } from "./pack.ts";
import { packReachable } from "./reachable-pack.ts";
import { type FileStretch, type Stretch, discard, sha256Of } from "./stretch.ts";

/** Where objects lie, as they stand in a pack. */
interface Kept extends PackPart {
  bytes: FileStretch;
}

interface Made {
  commit: string;
  parts: Kept[];
}

/** A pack in object storage, of those that a restore lays over the base. */
interface Uploaded {
  sha256: string;
  bytes: number;
  parts: Kept[];
}

export interface NextPack {
  /** To be discarded once it is durable. */
  pack: Stretch;
  sha256: string;
  /** SHA-256 of the packs whose objects this one holds as well: a restore needs them no more. */
  replaces: string[];
  /** It replaces all: everything above the base is in it. */
  isComplete: boolean;
}

/** So many packs of a size become one of the next size, so that both packs and their bytes grow by the logarithm. */
const fanOut = 8;
const smallestTierBytes = 4096;

/** What is larger together stays apart: each merge sends all of it anew. */
const largestMergedBytes = 128 * 1024 * 1024;

function tierOf(bytes: number): number {
  return Math.max(0, Math.floor(Math.log(bytes / smallestTierBytes) / Math.log(fanOut)) + 1);
}

/** The commits above the base, oldest first, and the objects that each brought. */
export class History {
  readonly base: string | null;
  readonly #folder: string;
  readonly #largestMerged: number;
  readonly #made: Made[] = [];
  /** Oldest first. */
  readonly #uploaded: Uploaded[] = [];
  #packs = 0;
  /** Of the store that was filled from packs, which may hold more than the commits have. */
  #gitdir: string | null = null;

  /** `folder`: private to the supervisor. */
  constructor(base: string | null, folder: string, largestMerged = largestMergedBytes) {
    this.base = base;
    this.#folder = folder;
    this.#largestMerged = largestMerged;
  }

  get head(): string | null {
    return this.#made.at(-1)?.commit ?? this.base;
  }

  /** `pack`: in which it is durable now. */
  async add(commit: string, part: PackPart, { pack, sha256, replaces }: NextPack): Promise<void> {
    await discard(pack);
    const kept = await this.#keep(commit, part);
    this.#made.push({ commit, parts: [kept] });
    const absorbed = this.#uploaded.splice(this.#uploaded.length - replaces.length);
    const parts = [...absorbed.flatMap((earlier) => earlier.parts), kept];
    this.#uploaded.push({ sha256, parts, bytes: absorbed.reduce((sum, { bytes }) => sum + bytes, part.bytes.length) });
  }

  /**
   * What earlier containers made, up to `commit`: each pack as it lies in object storage, one after the other. `gitdir`:
   * the store they are in, where the git program can say what of it a commit has.
   */
  async restore(
    commit: string,
    packs: Iterable<PackPart> | AsyncIterable<PackPart>,
    gitdir: string | null = null,
  ): Promise<void> {
    this.#gitdir = gitdir;
    const parts: Kept[] = [];
    for await (const part of packs) {
      const kept = await this.#keep(`restored-${parts.length}`, part);
      this.#uploaded.push({ sha256: await sha256OfPack([kept]), bytes: part.bytes.length, parts: [kept] });
      parts.push(kept);
    }
    this.#made.push({ commit, parts });
  }

  async #keep(name: string, { oids, bytes }: PackPart): Promise<Kept> {
    if (!Buffer.isBuffer(bytes)) return { oids, bytes };
    const path = join(this.#folder, name);
    await mkdir(this.#folder, { recursive: true });
    await writeFile(path, bytes);
    return { oids, bytes: { path, from: 0, length: bytes.length } };
  }

  async #packOf(parts: readonly PackPart[]): Promise<Stretch> {
    this.#packs += 1;
    await mkdir(this.#folder, { recursive: true });
    return packOf(parts, join(this.#folder, `pack-${this.#packs}`));
  }

  /** The base, or a commit above it. */
  includes(commit: string): boolean {
    return commit === this.base || this.#made.some((made) => made.commit === commit);
  }

  /** Whether who has `later` has `commit`. */
  isWithin(commit: string, later: string): boolean {
    return this.#countTo(commit) <= this.#countTo(later);
  }

  /** What a repository that has `commit` (null: the base, if anything) lacks for a later one. To be discarded. */
  packBetween(commit: string | null, later: string): Promise<Stretch> {
    if (this.#gitdir !== null)
      return packReachable(this.#gitdir, this.#folder, { from: commit ?? this.base, to: later });
    const lacking = this.#made.slice(this.#countTo(commit), this.#countTo(later));
    return this.#packOf(lacking.flatMap(({ parts }) => parts));
  }

  /** How many commits there are up to this one; none up to the base. */
  #countTo(commit: string | null): number {
    return this.#made.findIndex((made) => made.commit === commit) + 1;
  }

  /** The pack that makes `more` durable: of `more` alone, or together with the packs of its size before it. */
  async nextPack(more: PackPart): Promise<NextPack> {
    const kept = this.#uploaded.length - this.#absorbed(more.bytes.length);
    const absorbed = this.#uploaded.slice(kept);
    const pack = await this.#packOf([...absorbed.flatMap(({ parts }) => parts), more]);
    const replaces = absorbed.map(({ sha256 }) => sha256);
    return { pack, sha256: await sha256Of(pack), replaces, isComplete: kept === 0 };
  }

  /** How many of the newest packs make, with one of `bytes`, as many of a size as become one. */
  #absorbed(bytes: number): number {
    let [absorbed, sum] = [0, bytes];
    for (;;) {
      const tier = tierOf(sum);
      let [count, next] = [absorbed, sum];
      for (; count < this.#uploaded.length; count += 1) {
        const pack = this.#uploaded.at(-1 - count);
        if (!pack || tierOf(pack.bytes) > tier || next + pack.bytes > this.#largestMerged) break;
        next += pack.bytes;
      }
      if (count - absorbed + 1 < fanOut) return absorbed;
      [absorbed, sum] = [count, next];
    }
  }
}
