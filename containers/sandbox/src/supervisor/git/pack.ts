import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import { open } from "node:fs/promises";
import type { ObjectType } from "./object-store.ts";
import { chunksOf, gather, type FileStretch, type Stretch } from "./stretch.ts";

/** Objects as they stand in a pack, none of them a delta: packs can be put together from such parts. */
export interface PackPart {
  oids: string[];
  bytes: Stretch;
}

const typeBits: Record<ObjectType, number> = { commit: 1, tree: 2, blob: 3 };
/** From here on the memory that an object takes counts. */
export const largeBytes = 4 * 1024 * 1024;
const headerBytes = 12;
const checksumBytes = 20;

/** Of a larger body some places are tried: what is packed already (pictures, archives) only costs time. */
const sampledBytes = 32 * 1024;
const sampleBytes = 2048;

function isPacked(body: Buffer): boolean {
  if (body.length < sampledBytes) return false;
  return [0.2, 0.5, 0.8].every((part) => {
    const from = Math.floor(body.length * part);
    return deflateSync(body.subarray(from, from + sampleBytes), { level: 1 }).length > sampleBytes * 0.98;
  });
}

/** zlib hands out pieces of whole chunks: with its default of 16 KB small objects would take ten times their size. */
export function deflated(body: Buffer, most: number): Buffer {
  const level = isPacked(body) ? 0 : most;
  if (body.length < largeBytes) return deflateSync(body, { level, chunkSize: Math.min(16_384, body.length + 64) });
  // One piece: pieces would be put together, which needs the memory twice. What compresses well gives it back.
  const chunkSize = body.length + Math.ceil(body.length / 1000) + 64;
  const made = deflateSync(body, { level, chunkSize });
  return made.length < chunkSize / 2 ? Buffer.from(made) : made;
}

/** One object in a pack, in two pieces: type and length, seven bits a byte after the first four, then the deflated body. */
export function packEntry(type: ObjectType, body: Buffer): [Buffer, Buffer] {
  const header: number[] = [];
  let rest = Math.floor(body.length / 16);
  let byte = (typeBits[type] << 4) | (body.length & 0x0f);
  while (rest > 0) {
    header.push(byte | 0x80);
    byte = rest & 0x7f;
    rest = Math.floor(rest / 128);
  }
  header.push(byte);
  return [Buffer.from(header), deflated(body, 6)];
}

async function* packChunks(parts: readonly PackPart[]): AsyncGenerator<Buffer> {
  const header = Buffer.alloc(headerBytes);
  header.write("PACK");
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(
    parts.reduce((count, { oids }) => count + oids.length, 0),
    8,
  );
  const checksum = createHash("sha1").update(header);
  yield header;
  for (const { bytes } of parts) {
    for await (const chunk of chunksOf(bytes)) {
      checksum.update(chunk);
      yield chunk;
    }
  }
  yield checksum.digest();
}

/** `path`: where it may lie while it is used, if it is large. */
export function packOf(parts: readonly PackPart[], path: string): Promise<Stretch> {
  const length = parts.reduce((sum, { bytes }) => sum + bytes.length, headerBytes + checksumBytes);
  return gather(packChunks(parts), length, path);
}

/** What `packOf` would make. */
export async function sha256OfPack(parts: readonly PackPart[]): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of packChunks(parts)) hash.update(chunk);
  return hash.digest("hex");
}

/** What `packOf` made, as a part again. */
export async function partOf({ path, length }: FileStretch, oids: string[]): Promise<PackPart> {
  const file = await open(path, "r");
  try {
    const { buffer } = await file.read(Buffer.alloc(headerBytes), 0, headerBytes, 0);
    if (buffer.readUInt32BE(8) !== oids.length) throw new Error("the pack does not hold what it says");
  } finally {
    await file.close();
  }
  return { oids, bytes: { path, from: headerBytes, length: length - headerBytes - checksumBytes } };
}
