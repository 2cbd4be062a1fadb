import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import type { ObjectType } from "./object-store.ts";

/** Objects as they stand in a pack, none of them a delta: packs can be put together from such parts. */
export interface PackPart {
  oids: string[];
  bytes: Buffer;
}

const typeBits: Record<ObjectType, number> = { commit: 1, tree: 2, blob: 3 };
/** From here on the memory that an object takes counts. */
export const largeBytes = 4 * 1024 * 1024;
const headerBytes = 12;
const checksumBytes = 20;

/** zlib hands out pieces of whole chunks: with its default of 16 KB small objects would take ten times their size. */
export function deflated(body: Buffer, level: number): Buffer {
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

export function packOf(parts: PackPart[]): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.write("PACK");
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(
    parts.reduce((count, { oids }) => count + oids.length, 0),
    8,
  );
  const pieces = [header, ...parts.map(({ bytes }) => bytes)];
  const checksum = createHash("sha1");
  for (const piece of pieces) checksum.update(piece);
  return Buffer.concat([...pieces, checksum.digest()]);
}

/** What `packOf` made, as a part again. */
export function partOf(pack: Buffer, oids: string[]): PackPart {
  if (pack.readUInt32BE(8) !== oids.length) throw new Error("the pack does not hold what it says");
  return { oids, bytes: pack.subarray(headerBytes, pack.length - checksumBytes) };
}
