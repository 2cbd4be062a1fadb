import { isUtf8 } from "node:buffer";

/** A byte that is no UTF-8 stands as one of 128 halves of surrogate pairs, which no UTF-8 can give. */
const escapes = 0xdc00;
/** By code points: a half that is part of a pair is none. */
const isEscape = /[\udc80-\udcff]/u;
const replacement = "\ufffd";

/** A name on disk or in a tree is bytes. As text every one is told from every other, and comes back as it was. */
export function nameOfBytes(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString("utf8") : escaped(bytes);
}

export function bytesOfName(name: string): Buffer {
  if (!hasOddBytes(name)) return Buffer.from(name);
  const parts = name.split(/([\udc80-\udcff])/u).filter(Boolean);
  return Buffer.concat(
    parts.map((part) => (isLoneEscape(part) ? Buffer.from([part.charCodeAt(0) - escapes]) : Buffer.from(part))),
  );
}

/** Whether it holds bytes that are no UTF-8: no string of Node's leads to such a file. */
export function hasOddBytes(name: string): boolean {
  return isEscape.test(name);
}

/** A name that was read as UTF-8 and may stand for another. */
export function mayBeLossy(name: string): boolean {
  return name.includes(replacement);
}

function isLoneEscape(part: string): boolean {
  return part.length === 1 && isEscape.test(part);
}

/** Valid stretches as they are, every other byte escaped. */
function escaped(bytes: Buffer): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((count) => at + count <= bytes.length && isUtf8(bytes.subarray(at, at + count)));
    text += length ? bytes.toString("utf8", at, at + length) : String.fromCharCode(escapes + (bytes[at] ?? 0));
    at += length ?? 1;
  }
  return text;
}
