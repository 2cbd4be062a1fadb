import { createHash } from "node:crypto";
import { badDigest, notImplemented } from "./failure.ts";

const calculators = {
  crc32: (body: Buffer) => crcBytes(body, 0xedb88320),
  crc32c: (body: Buffer) => crcBytes(body, 0x82f63b78),
  sha1: (body: Buffer) => createHash("sha1").update(body).digest(),
  sha256: (body: Buffer) => createHash("sha256").update(body).digest(),
} satisfies Record<string, (body: Buffer) => Buffer>;

const prefix = "x-amz-checksum-";
/** Headers under the prefix that hold no checksum. */
const others = new Set(["mode", "type", "algorithm"]);

/**
 * Verifies every checksum that was sent, whether as a header, in the query of a presigned URL or as a trailer.
 * Answers them as header names and base64 values, to be kept with the object.
 */
export function verifyChecksums(body: Buffer, sent: Iterable<[string, string]>): Record<string, string> {
  const verified: Record<string, string> = {};
  for (const [name, value] of sent) {
    if (!name.startsWith(prefix) || others.has(name.slice(prefix.length))) continue;
    const algorithm = name.slice(prefix.length);
    if (!isKnown(algorithm)) throw notImplemented(name);
    if (calculators[algorithm](body).toString("base64") !== value) throw badDigest(algorithm.toUpperCase());
    verified[name] = value;
  }
  return verified;
}

function isKnown(algorithm: string): algorithm is keyof typeof calculators {
  return Object.hasOwn(calculators, algorithm);
}

const tables = new Map<number, Uint32Array>();

function crcBytes(body: Buffer, polynomial: number): Buffer {
  const table = tables.get(polynomial) ?? crcTable(polynomial);
  let crc = 0xffffffff;
  for (const byte of body) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return bytes;
}

function crcTable(polynomial: number): Uint32Array {
  const table = Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value;
  });
  tables.set(polynomial, table);
  return table;
}
