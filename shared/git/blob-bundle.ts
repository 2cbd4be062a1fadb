import { deflateSync, inflateSync } from "node:zlib";

/** A text file over this is not kept for diffs. */
export const maxBundledBytes = 1024 * 1024;
/** The most that one checkpoint's bundle stores. */
export const maxBundleBytes = 8 * 1024 * 1024;
const binaryLookBytes = 8000;

/** As git takes it: a NUL byte near the start. */
export function isBinary(body: Uint8Array): boolean {
  return body.subarray(0, binaryLookBytes).includes(0);
}

type Place = [oid: string, size: number, storedBytes: number];
interface Index {
  version: 1;
  blobs: Place[];
}

const newline = 0x0a;

/** Blobs in one object: a line of JSON that says what is where, then the deflated bodies. */
export class BlobBundle {
  readonly #places: Place[] = [];
  readonly #bodies: Buffer[] = [];
  readonly #oids = new Set<string>();
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#places.length === 0;
  }

  get isFull(): boolean {
    return this.#bytes >= maxBundleBytes;
  }

  has(oid: string): boolean {
    return this.#oids.has(oid);
  }

  add(oid: string, body: Buffer): void {
    if (this.has(oid)) return;
    const stored = deflateSync(body, { level: 1, chunkSize: Math.min(16_384, body.length + 64) });
    if (this.#bytes + stored.length > maxBundleBytes) return;
    this.#oids.add(oid);
    this.#places.push([oid, body.length, stored.length]);
    this.#bodies.push(stored);
    this.#bytes += stored.length;
  }

  toBuffer(): Buffer {
    const index: Index = { version: 1, blobs: this.#places };
    return Buffer.concat([Buffer.from(`${JSON.stringify(index)}\n`), ...this.#bodies]);
  }
}

function placesOf(bundle: Buffer, end: number): Place[] {
  try {
    const index = JSON.parse(bundle.toString("utf8", 0, end)) as Partial<Index>;
    return index.version === 1 && Array.isArray(index.blobs) ? index.blobs : [];
  } catch {
    return [];
  }
}

/** The wanted ones of a bundle. What is damaged is left out. */
export function blobsIn(stored: Uint8Array, wanted: ReadonlySet<string>): Map<string, Buffer> {
  const bundle = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const end = bundle.indexOf(newline);
  const found = new Map<string, Buffer>();
  let at = end + 1;
  for (const [oid, size, bytes] of placesOf(bundle, end)) {
    const body = wanted.has(oid) ? inflated(bundle.subarray(at, at + bytes), size) : null;
    if (body) found.set(oid, body);
    at += bytes;
  }
  return found;
}

function inflated(body: Buffer, size: number): Buffer | null {
  if (size > maxBundledBytes) return null;
  try {
    const whole = inflateSync(body, { maxOutputLength: maxBundledBytes });
    return whole.length === size ? whole : null;
  } catch {
    return null;
  }
}
