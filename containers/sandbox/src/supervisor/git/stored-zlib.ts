const mostInBlock = 65_535;
const blockHeaderBytes = 5;
const modulus = 65_521;
/** So many bytes add up without leaving 32 bits. */
const sumBytes = 5552;

/** Both as one zlib stream (RFC 1950) that compresses nothing: pieces of the body itself, so that no copy of it is made. */
export function storedZlib(header: Buffer, body: Buffer): Buffer[] {
  const pieces = [Buffer.from([0x78, 0x01]), block(header, false), header];
  for (let at = 0; at < body.length; at += mostInBlock) {
    const part = body.subarray(at, at + mostInBlock);
    pieces.push(block(part, at + mostInBlock >= body.length), part);
  }
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(adler32([header, body]));
  return [...pieces, checksum];
}

function block(part: Buffer, isLast: boolean): Buffer {
  const header = Buffer.alloc(blockHeaderBytes);
  header.writeUInt8(isLast ? 1 : 0);
  header.writeUInt16LE(part.length, 1);
  header.writeUInt16LE(0xffff - part.length, 3);
  return header;
}

function adler32(parts: Buffer[]): number {
  let [a, b] = [1, 0];
  for (const part of parts) {
    for (let from = 0; from < part.length; from += sumBytes) {
      const end = Math.min(from + sumBytes, part.length);
      for (let at = from; at < end; at += 1) {
        a += part[at] ?? 0;
        b += a;
      }
      a %= modulus;
      b %= modulus;
    }
  }
  return b * 65_536 + a;
}
