import { BlobBundle, isBinary, maxBundledBytes } from "../../../../../shared/git/blob-bundle.ts";
import type { FileDifference } from "./snapshot.ts";

/** A reader has to see no more of a binary content than that it is one. */
const standsForBinary = Buffer.alloc(1);

/** Both sides of the changed text files, as far as they fit; null where there are none. */
export async function textBundle(
  differences: FileDifference[],
  read: (oid: string) => Promise<Buffer>,
): Promise<Buffer | null> {
  const bundle = new BlobBundle();
  for (const { before, after } of differences) {
    if (bundle.isFull || before?.oid === after?.oid) continue;
    const sides = [before, after].filter((side) => side !== null);
    if (sides.some(({ sizeBytes }) => sizeBytes > maxBundledBytes)) continue;
    for (const { oid, sizeBytes } of sides) {
      if (sizeBytes === 0 || bundle.has(oid)) continue;
      const body = await read(oid);
      bundle.add(oid, isBinary(body) ? standsForBinary : body);
    }
  }
  return bundle.isEmpty ? null : bundle.toBuffer();
}
