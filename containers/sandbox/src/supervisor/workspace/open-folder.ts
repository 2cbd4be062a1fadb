import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  readdirSync,
  readlinkSync,
} from "node:fs";
import { bytesOfName, hasOddBytes, mayBeLossy, nameOfBytes } from "./file-name.ts";

const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const fileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * A folder held by its descriptor. People's code may swap any folder of the workspace for a symlink at any moment;
 * names are looked up below the descriptor (`/proc/self/fd`), so that nothing outside is ever read or written.
 */
export class OpenFolder {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** The one folder whose path is trusted. */
  static root(path: string): OpenFolder {
    return new OpenFolder(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
  }

  /** Throws (ENOTDIR or ELOOP) where `name` is a symlink. */
  folder(name: string): OpenFolder {
    return new OpenFolder(openSync(this.path(name), folderFlags));
  }

  at(name: string): string {
    return `/proc/self/fd/${this.#fd}/${name}`;
  }

  /** Also of a name that is no UTF-8, which no string leads to. */
  path(name: string): string | Buffer {
    const path = this.at(name);
    return hasOddBytes(name) ? bytesOfName(path) : path;
  }

  names(): string[] {
    const names = readdirSync(this.at(""));
    return names.some(mayBeLossy) ? readdirSync(this.at(""), { encoding: "buffer" }).map(nameOfBytes) : names;
  }

  /** Null where there is nothing of this name. */
  stat(name: string): BigIntStats | null {
    return orNull(() => lstatSync(this.path(name), { bigint: true }));
  }

  linkTarget(name: string): Buffer {
    return readlinkSync(this.path(name), { encoding: "buffer" });
  }

  /** A regular file's bytes; null where it is gone or no regular file any more, or longer than `mostBytes`. */
  read(name: string, mostBytes: number): Buffer | null {
    const fd = orNull(() => openSync(this.path(name), fileFlags));
    if (fd === null) return null;
    try {
      const found = fstatSync(fd);
      if (!found.isFile() || found.size > mostBytes) return null;
      return readWhole(fd, found.size, mostBytes);
    } finally {
      closeSync(fd);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A file may grow while it is read: what is read is what counts, up to the limit. */
function readWhole(fd: number, size: number, mostBytes: number): Buffer | null {
  let bytes = Buffer.allocUnsafe(size + 1);
  let length = 0;
  for (;;) {
    const count = readSync(fd, bytes, length, bytes.length - length, null);
    length += count;
    if (count === 0) return bytes.subarray(0, length);
    if (length > mostBytes) return null;
    if (length === bytes.length) bytes = Buffer.concat([bytes, Buffer.allocUnsafe(bytes.length)]);
  }
}

const gone = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"]);

export function errorCode(error: unknown): string | undefined {
  const isCoded = typeof error === "object" && error !== null && "code" in error;
  return isCoded && typeof error.code === "string" ? error.code : undefined;
}

export function orNull<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (gone.has(errorCode(error) ?? "")) return null;
    throw error;
  }
}
