export type Hello =
  /** More bytes are needed to tell. */
  | { kind: "incomplete" }
  | { kind: "other" }
  /** TLS, but not in a form that can be judged: in pieces, over its limits. */
  | { kind: "unreadable" }
  | { kind: "tls"; serverName: string | null };

const [handshake, clientHello] = [0x16, 0x01];
const recordHeaderBytes = 5;
const maxRecordBytes = 16 * 1024 + 256;
const serverNameExtension = 0;
const hostNameType = 0;

/** Reads numbers and fields in their order. Throws past the end. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isDone(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(bytes: number): number {
    const value = this.#bytes.readUIntBE(this.#at, bytes);
    this.#at += bytes;
    return value;
  }

  take(bytes: number): Buffer {
    if (this.#at + bytes > this.#bytes.length) throw new RangeError("past the end");
    this.#at += bytes;
    return this.#bytes.subarray(this.#at - bytes, this.#at);
  }

  /** A field behind its length. */
  field(lengthBytes: number): Buffer {
    return this.take(this.number(lengthBytes));
  }
}

/** What the first bytes of a connection say (RFC 8446 4.1.2, RFC 6066 3). */
export function readHello(bytes: Buffer): Hello {
  if (bytes.length === 0) return { kind: "incomplete" };
  if (bytes[0] !== handshake) return { kind: "other" };
  if (bytes.length < recordHeaderBytes) return { kind: "incomplete" };
  if (bytes[1] !== 3) return { kind: "other" };
  const length = bytes.readUInt16BE(3);
  if (length > maxRecordBytes) return { kind: "unreadable" };
  if (bytes.length < recordHeaderBytes + length) return { kind: "incomplete" };
  try {
    return { kind: "tls", serverName: serverNameOf(bytes.subarray(recordHeaderBytes, recordHeaderBytes + length)) };
  } catch {
    return { kind: "unreadable" };
  }
}

function serverNameOf(record: Buffer): string | null {
  const message = new Reader(record);
  if (message.number(1) !== clientHello) throw new Error("no ClientHello");
  const hello = new Reader(message.field(3));
  hello.take(2 + 32);
  hello.field(1);
  hello.field(2);
  hello.field(1);
  if (hello.isDone) return null;
  const extensions = new Reader(hello.field(2));
  const names: string[] = [];
  while (!extensions.isDone) {
    const type = extensions.number(2);
    const body = extensions.field(2);
    if (type === serverNameExtension) names.push(nameIn(body));
  }
  if (names.length > 1) throw new Error("two names");
  return names[0] ?? null;
}

function nameIn(body: Buffer): string {
  const list = new Reader(new Reader(body).field(2));
  const type = list.number(1);
  const name = list.field(2);
  if (type !== hostNameType || !list.isDone) throw new Error("not one host name");
  return name.toString("latin1");
}
