import type { BigIntStats } from "node:fs";

/** What tells one state of a file from another: a change of its mode also changes its ctime. */
type FileStat = Pick<BigIntStats, "ino" | "size" | "mtimeNs" | "ctimeNs">;

interface Seen {
  stat: string;
  oid: string;
}

/** A file changed so shortly before it was looked at may change again without another time stamp. */
const racyMs = 100;

/** What each file's stat was when its content was last known. */
export class StatCache {
  readonly #seen = new Map<string, Seen>();

  remember(path: string, stat: BigIntStats, oid: string): void {
    if (Date.now() - Number(stat.ctimeMs) < racyMs) this.#seen.delete(path);
    else this.#seen.set(path, { stat: fingerprint(stat), oid });
  }

  /** The file was just written here, and nobody else could touch it yet. */
  trust(path: string, stat: FileStat, oid: string): void {
    this.#seen.set(path, { stat: fingerprint(stat), oid });
  }

  isUnchanged(path: string, stat: BigIntStats, oid: string): boolean {
    const seen = this.#seen.get(path);
    return seen !== undefined && seen.oid === oid && seen.stat === fingerprint(stat);
  }

  forget(path: string): void {
    this.#seen.delete(path);
  }
}

/** Git's index keeps 32 bits of an inode's number. */
const inodeBits = 0xffffffffn;

function fingerprint({ ino, size, mtimeNs, ctimeNs }: FileStat): string {
  return `${ino & inodeBits}:${size}:${mtimeNs}:${ctimeNs}`;
}
