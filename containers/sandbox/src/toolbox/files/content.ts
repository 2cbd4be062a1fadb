import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { isUtf8 } from "node:buffer";
import type { BigIntStats } from "node:fs";
import { AppError } from "../../../../../shared/errors.ts";
import { maxConflictBytes, type FileContent } from "../../../../../shared/protocol/file.ts";
import { errorCode } from "../../supervisor/workspace/open-folder.ts";
import type { Place } from "./places.ts";

/** Never waits for the other end of a fifo, never follows a link. */
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const chunkBytes = 256 * 1024;
/** A larger file is not hashed on the way. */
const maxHashedBytes = 64 * 1024 * 1024;

export interface OpenedFile {
  handle: FileHandle;
  stats: BigIntStats;
}

export const modeOf = (stats: { mode: bigint }) => `0${(Number(stats.mode) & 0o777).toString(8).padStart(3, "0")}`;

/** The regular file of this name, open. Throws `path_not_allowed` for anything else. */
export async function openFile({ folder, name }: Place): Promise<OpenedFile> {
  const handle = await open(folder.at(name), readFlags);
  const stats = await handle.stat({ bigint: true });
  if (stats.isFile()) return { handle, stats };
  await handle.close();
  throw new AppError("path_not_allowed", stats.isDirectory() ? "This is a folder" : "This is no regular file");
}

export async function withFile<T>(place: Place, run: (file: OpenedFile) => Promise<T>): Promise<T> {
  const file = await openFile(place);
  try {
    return await run(file);
  } finally {
    await file.handle.close();
  }
}

export function hashOfContent(content: Buffer): string {
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}

/** Git's object id of what the file holds; null where it grew or shrank meanwhile, or is too large. */
export async function hashOfFile({ handle, stats }: OpenedFile): Promise<string | null> {
  const size = Number(stats.size);
  if (size > maxHashedBytes) return null;
  const hash = createHash("sha1").update(`blob ${size}\0`);
  const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, size + 1));
  let at = 0;
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) return at === size ? hash.digest("hex") : null;
    at += bytesRead;
    if (at > size) return null;
    hash.update(chunk.subarray(0, bytesRead));
  }
}

export async function sha256Of({ handle }: OpenedFile): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of handle.createReadStream({ start: 0, autoClose: false })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

async function bytesAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let got = 0;
  while (got < length) {
    const { bytesRead } = await handle.read(bytes, got, length - got, offset + got);
    if (bytesRead === 0) break;
    got += bytesRead;
  }
  return bytes.subarray(0, got);
}

type Encoded = Pick<FileContent, "content" | "encoding">;

function encode(bytes: Buffer, wanted?: FileContent["encoding"]): Encoded {
  const encoding = wanted ?? (isUtf8(bytes) ? "utf8" : "base64");
  return { encoding, content: bytes.toString(encoding) };
}

interface Range {
  offset: number;
  length: number;
  encoding?: FileContent["encoding"] | undefined;
}

export function readContent(place: Place, path: string, { offset, length, encoding }: Range): Promise<FileContent> {
  return withFile(place, async (file) => {
    const size = Number(file.stats.size);
    const hash = await hashOfFile(file);
    const bytes = await bytesAt(file.handle, offset, Math.max(0, Math.min(length, size - offset)));
    const common = { path, size, mode: modeOf(file.stats), hash, offset, length: bytes.length };
    return { ...common, ...encode(bytes, encoding), truncated: offset + bytes.length < size };
  });
}

/** What stands where something is to be written. */
export interface Present {
  hash: string | null;
  size: number;
  mode: number;
  /** Another one after every change. */
  stamp: string;
}

export const stampOf = (stats: BigIntStats) => `${stats.mtimeNs}-${stats.ctimeNs}-${stats.size}-${stats.ino}`;

/** Null where there is nothing. Throws `path_not_allowed` where there is something else than a file. */
export async function presentAt(place: Place): Promise<Present | null> {
  const found = place.folder.stat(place.name);
  if (!found) return null;
  if (!found.isFile()) throw new AppError("path_not_allowed", "There is something else than a file");
  try {
    return await withFile(place, async (file) => ({
      hash: await hashOfFile(file),
      size: Number(file.stats.size),
      mode: Number(file.stats.mode) & 0o777,
      stamp: stampOf(file.stats),
    }));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

/** Tells who expected something else what there is: with the content, where it is small. */
export async function conflictAt(place: Place, expected: string | null, present: Present | null): Promise<AppError> {
  const current = present && { hash: present.hash, size: present.size, ...(await smallContent(place, present)) };
  return new AppError("file_conflict", undefined, { details: { expected, current } });
}

async function smallContent(place: Place, { size }: Present): Promise<Partial<Encoded>> {
  if (size > maxConflictBytes) return {};
  const bytes = place.folder.read(place.name, maxConflictBytes);
  return bytes ? encode(bytes) : {};
}
