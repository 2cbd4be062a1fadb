export interface FrameHeader {
  /** Last frame of its message. */
  isFinal: boolean;
  /** Close, ping or pong. */
  isControl: boolean;
  payloadBytes: number;
}

/** Two bytes, at most eight of length, four of mask. */
const longestHeader = 14;

/**
 * Reads the frame headers (RFC 6455, section 5.2) of a byte stream that is cut anywhere: `ws` reports messages, API Gateway limits
 * frames. Feed it every chunk; `onFrame` runs once the header of a frame is complete, before its payload has come. It answers
 * whether the chunk ended with a frame's end.
 */
export function frameSizes(onFrame: (frame: FrameHeader) => void): (chunk: Buffer) => boolean {
  const header = Buffer.alloc(longestHeader);
  let held = 0;
  let payloadLeft = 0;

  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (payloadLeft > 0) {
        const skipped = Math.min(payloadLeft, chunk.length - at);
        payloadLeft -= skipped;
        at += skipped;
        continue;
      }
      const wanted = headerLength(header, held);
      const copied = chunk.copy(header, held, at, at + wanted - held);
      held += copied;
      at += copied;
      if (held < headerLength(header, held)) continue;
      const frame = readHeader(header);
      held = 0;
      payloadLeft = frame.payloadBytes;
      onFrame(frame);
    }
    return held === 0 && payloadLeft === 0;
  };
}

function headerLength(header: Buffer, held: number): number {
  if (held < 2) return 2;
  const second = header.readUInt8(1);
  const lengthBytes = { 126: 2, 127: 8 }[second & 0x7f] ?? 0;
  return 2 + lengthBytes + (second & 0x80 ? 4 : 0);
}

function readHeader(header: Buffer): FrameHeader {
  const first = header.readUInt8(0);
  const short = header.readUInt8(1) & 0x7f;
  const payloadBytes =
    short === 127 ? Number(header.readBigUInt64BE(2)) : short === 126 ? header.readUInt16BE(2) : short;
  return { isFinal: (first & 0x80) !== 0, isControl: (first & 0x08) !== 0, payloadBytes };
}
