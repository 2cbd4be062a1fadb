import * as fc from "fast-check";

import { frameSizes, type FrameHeader } from "../../../infra/local/gateway/frame-sizes.ts";

interface Frame {
  opcode: number;
  isFinal: boolean;
  isMasked: boolean;
  payloadBytes: number;
}

/** RFC 6455, 5.2. The payload is filled with bytes that look like a header. */
function encode({ opcode, isFinal, isMasked, payloadBytes }: Frame): Buffer {
  const lengthBytes = payloadBytes > 0xffff ? 8 : payloadBytes > 125 ? 2 : 0;
  const head = Buffer.alloc(2 + lengthBytes);
  head[0] = (isFinal ? 0x80 : 0) | opcode;
  head[1] = (isMasked ? 0x80 : 0) | (lengthBytes === 8 ? 127 : lengthBytes === 2 ? 126 : payloadBytes);
  if (lengthBytes === 2) head.writeUInt16BE(payloadBytes, 2);
  if (lengthBytes === 8) head.writeBigUInt64BE(BigInt(payloadBytes), 2);
  const mask = Buffer.from(isMasked ? [0x81, 0xff, 0x7f, 0x01] : []);
  return Buffer.concat([head, mask, Buffer.alloc(payloadBytes, 0x81)]);
}

function read(chunks: Buffer[]): FrameHeader[] {
  const found: FrameHeader[] = [];
  const push = frameSizes((frame) => found.push(frame));
  for (const chunk of chunks) push(chunk);
  return found;
}

const expected = (frames: Frame[]): FrameHeader[] =>
  frames.map(({ opcode, isFinal, payloadBytes }) => ({ isFinal, isControl: opcode >= 8, payloadBytes }));

const frames = fc.array(
  fc.record({
    opcode: fc.constantFrom(0, 1, 2, 8, 9, 10),
    isFinal: fc.boolean(),
    isMasked: fc.boolean(),
    payloadBytes: fc.oneof(fc.constantFrom(0, 125, 126, 127, 0xffff, 0x10000), fc.nat(400)),
  }),
  { maxLength: 8 },
);

test("reads the same headers wherever the stream is cut", () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(1_000_000), { maxLength: 20 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(encode));
      const places = [0, ...cuts.map((cut) => (stream.length === 0 ? 0 : cut % stream.length)), stream.length].sort(
        (a, b) => a - b,
      );
      const chunks = places.slice(1).map((end, index) => stream.subarray(places[index], end));
      expect(read(chunks)).toEqual(expected(sent));
    }),
  );
});

test("reads headers that arrive byte by byte", () => {
  const sent: Frame[] = [
    { opcode: 1, isFinal: false, isMasked: true, payloadBytes: 300 },
    { opcode: 9, isFinal: true, isMasked: true, payloadBytes: 0 },
    { opcode: 0, isFinal: true, isMasked: true, payloadBytes: 70_000 },
  ];
  const stream = Buffer.concat(sent.map(encode));
  const bytes = Array.from(stream, (_, index) => stream.subarray(index, index + 1));
  expect(read(bytes)).toEqual(expected(sent));
});

test("reports a frame before its payload has come", () => {
  const frame = encode({ opcode: 1, isFinal: true, isMasked: true, payloadBytes: 40_000 });
  expect(read([frame.subarray(0, 7)])).toEqual([]);
  expect(read([frame.subarray(0, 8)])).toEqual([{ isFinal: true, isControl: false, payloadBytes: 40_000 }]);
});
