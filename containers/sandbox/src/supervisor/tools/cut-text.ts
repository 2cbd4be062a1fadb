/** Largest start of `bytes` of at most `most` bytes that ends on a whole character. */
export function headOf(bytes: Buffer, most: number): Buffer {
  if (bytes.length <= most) return bytes;
  let end = most;
  while (end > 0 && isContinuation(bytes[end])) end -= 1;
  return bytes.subarray(0, end);
}

/** Largest end of `bytes` of at most `most` bytes that begins on a whole character. */
export function tailOf(bytes: Buffer, most: number): Buffer {
  if (bytes.length <= most) return bytes;
  let start = bytes.length - most;
  while (start < bytes.length && isContinuation(bytes[start])) start += 1;
  return bytes.subarray(start);
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** Head and tail of a text that is too long, with what is missing named between them. At most `most` bytes. */
export function headAndTail(bytes: Buffer, most: number): string {
  if (bytes.length <= most) return bytes.toString("utf8");
  const half = Math.max(0, Math.floor((most - noteBytes) / 2));
  const head = headOf(bytes, half);
  const tail = tailOf(bytes, half);
  const missing = bytes.length - head.length - tail.length;
  return `${head.toString("utf8")}\n[... ${missing} bytes left out ...]\n${tail.toString("utf8")}`;
}

const noteBytes = 64;

/** `headAndTail`, made so small that its JSON is within `mostJson` bytes: control characters take six each there. */
export function inlineText(bytes: Buffer, most: number, mostJson: number): string {
  for (let limit = most; ; limit = Math.floor(limit / 2)) {
    const text = headAndTail(bytes, limit);
    if (limit < 2 * noteBytes || Buffer.byteLength(JSON.stringify(text)) <= mostJson) return text;
  }
}
