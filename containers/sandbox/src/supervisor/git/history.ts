import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type PackPart, packOf } from "./pack.ts";

/** Where objects lie, as they stand in a pack. */
interface Kept {
  path: string;
  oids: string[];
}

interface Made {
  commit: string;
  paths: Kept[];
}

/** A pack in object storage, of those that a restore lays over the base. */
interface Uploaded {
  sha256: string;
  bytes: number;
  paths: Kept[];
}

export interface NextPack {
  pack: Buffer;
  sha256: string;
  /** SHA-256 of the packs whose objects this one holds as well: a restore needs them no more. */
  replaces: string[];
  /** It replaces all: everything above the base is in it. */
  isComplete: boolean;
}

/** So many packs of a size become one of the next size, so that both packs and their bytes grow by the logarithm. */
const fanOut = 8;
const smallestTierBytes = 4096;

/** A pack is in this process's memory as a whole: what is larger together stays apart. */
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
  async add(commit: string, part: PackPart, { sha256, replaces }: NextPack): Promise<void> {
    const kept = { path: await this.#keep(commit, part), oids: part.oids };
    this.#made.push({ commit, paths: [kept] });
    const absorbed = this.#uploaded.splice(this.#uploaded.length - replaces.length);
    const paths = [...absorbed.flatMap((pack) => pack.paths), kept];
    this.#uploaded.push({ sha256, paths, bytes: absorbed.reduce((sum, { bytes }) => sum + bytes, part.bytes.length) });
  }

  /** What earlier containers made, up to `commit`: each pack as it lies in object storage, one after the other. */
  async restore(commit: string, packs: Iterable<PackPart> | AsyncIterable<PackPart>): Promise<void> {
    const paths: Kept[] = [];
    for await (const part of packs) {
      const kept = { path: await this.#keep(`restored-${paths.length}`, part), oids: part.oids };
      this.#uploaded.push({ sha256: sha256Of(packOf([part])), bytes: part.bytes.length, paths: [kept] });
      paths.push(kept);
    }
    this.#made.push({ commit, paths });
  }

  async #keep(name: string, { bytes }: PackPart): Promise<string> {
    const path = join(this.#folder, name);
    await mkdir(this.#folder, { recursive: true });
    await writeFile(path, bytes);
    return path;
  }

  /** The base, or a commit above it. */
  includes(commit: string): boolean {
    return commit === this.base || this.#made.some((made) => made.commit === commit);
  }

  /** Whether who has `later` has `commit`. */
  isWithin(commit: string, later: string): boolean {
    return this.#countTo(commit) <= this.#countTo(later);
  }

  /** What a repository that has `commit` (null: the base, if anything) lacks for a later one. */
  async packBetween(commit: string | null, later: string): Promise<Buffer> {
    const lacking = this.#made.slice(this.#countTo(commit), this.#countTo(later));
    return packOf(await Promise.all(lacking.flatMap(({ paths }) => paths.map(readPart))));
  }

  /** How many commits there are up to this one; none up to the base. */
  #countTo(commit: string | null): number {
    return this.#made.findIndex((made) => made.commit === commit) + 1;
  }

  /** The pack that makes `more` durable: of `more` alone, or together with the packs of its size before it. */
  async nextPack(more: PackPart): Promise<NextPack> {
    const kept = this.#uploaded.length - this.#absorbed(more.bytes.length);
    const absorbed = this.#uploaded.slice(kept);
    const older = await Promise.all(absorbed.flatMap(({ paths }) => paths.map(readPart)));
    const pack = packOf([...older, more]);
    const replaces = absorbed.map(({ sha256 }) => sha256);
    return { pack, sha256: sha256Of(pack), replaces, isComplete: kept === 0 };
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

function sha256Of(pack: Buffer): string {
  return createHash("sha256").update(pack).digest("hex");
}

async function readPart({ path, oids }: Kept): Promise<PackPart> {
  return { oids, bytes: await readFile(path) };
}
