import { crc32 } from "node:zlib";

const stringType = 7;

function header(name: string, value: string): Buffer {
  const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)];
  const length = Buffer.alloc(2);
  length.writeUInt16BE(valueBytes.length);
  return Buffer.concat([Buffer.from([nameBytes.length]), nameBytes, Buffer.from([stringType]), length, valueBytes]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** One message of `application/vnd.amazon.eventstream`: lengths and their checksum, headers, payload, checksum of it all. */
export function eventMessage(eventType: string, contentType: string, payload: Buffer): Buffer {
  const headers = Buffer.concat([
    header(":message-type", "event"),
    header(":event-type", eventType),
    header(":content-type", contentType),
  ]);
  const lengths = Buffer.concat([word(16 + headers.length + payload.length), word(headers.length)]);
  const message = Buffer.concat([lengths, word(crc32(lengths)), headers, payload]);
  return Buffer.concat([message, word(crc32(message))]);
}
