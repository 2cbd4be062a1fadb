import { createHash } from "node:crypto";
import { open, readFile, rm, writeFile } from "node:fs/promises";

/** So many bytes of a file, from there on. */
export interface FileStretch {
  path: string;
  from: number;
  length: number;
}

/** Bytes, in memory or on the disk: what may be large is not held. */
export type Stretch = Buffer | FileStretch;

const chunkBytes = 1024 * 1024;
/** More than this lies on the disk. */
export const mostInMemory = 8 * 1024 * 1024;

/** What is yielded is overwritten by the next. */
export async function* chunksOf(stretch: Stretch): AsyncGenerator<Buffer> {
  if (Buffer.isBuffer(stretch)) return yield stretch;
  const file = await open(stretch.path, "r");
  const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, stretch.length));
  try {
    for (let at = 0; at < stretch.length;) {
      const wanted = Math.min(chunk.length, stretch.length - at);
      const { bytesRead } = await file.read(chunk, 0, wanted, stretch.from + at);
      if (bytesRead === 0) throw new Error(`${stretch.path} is shorter than it was`);
      yield chunk.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

export async function sha256Of(stretch: Stretch): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunksOf(stretch)) hash.update(chunk);
  return hash.digest("hex");
}

/** All chunks, one after the other: in memory where they are few, else in a file at `path`. */
export async function gather(chunks: AsyncIterable<Buffer>, length: number, path: string): Promise<Stretch> {
  if (length > mostInMemory) {
    await writeFile(path, chunks, { mode: 0o600 });
    return { path, from: 0, length };
  }
  const all = Buffer.allocUnsafe(length);
  let at = 0;
  for await (const chunk of chunks) at += chunk.copy(all, at);
  return all;
}

/** It has been used. */
export async function discard(stretch: Stretch): Promise<void> {
  if (!Buffer.isBuffer(stretch)) await rm(stretch.path, { force: true });
}

export async function bytesOf(stretch: Stretch): Promise<Buffer> {
  if (Buffer.isBuffer(stretch)) return stretch;
  const { path, from, length } = stretch;
  return (await readFile(path)).subarray(from, from + length);
}
