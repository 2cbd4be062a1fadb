import type { Duplex } from "node:stream";

const newline = 0x0a;

/** Cuts bytes into lines. Call `take` for what follows the last whole line (bytes of another protocol, say). */
export class LineBuffer {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that `chunk` completes, without their newline. Throws when a line grows over the limit. */
  push(chunk: Buffer, most = Number.POSITIVE_INFINITY): string[] {
    const lines: string[] = [];
    let rest = chunk;
    while (lines.length < most) {
      const at = rest.indexOf(newline);
      if (at < 0) break;
      this.#parts.push(rest.subarray(0, at));
      lines.push(Buffer.concat(this.#parts).toString("utf8"));
      this.#parts = [];
      this.#length = 0;
      rest = rest.subarray(at + 1);
    }
    this.#parts.push(rest);
    this.#length += rest.length;
    if (this.#length > this.#maxBytes) throw new Error(`a line is over ${this.#maxBytes} bytes`);
    return lines;
  }

  take(): Buffer {
    const rest = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    return rest;
  }
}

/** Calls `onLine` for each line that `socket` receives; a line over `maxBytes` destroys the socket. */
export function readLines(socket: Duplex, maxBytes: number, onLine: (line: string) => void): void {
  const buffer = new LineBuffer(maxBytes);
  socket.on("data", (chunk: Buffer) => {
    try {
      for (const line of buffer.push(chunk)) onLine(line);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

/** The value of a line, or null where it is not JSON. */
export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return null;
  }
}

export function writeLine(socket: Duplex, value: unknown): boolean {
  return socket.write(`${JSON.stringify(value)}\n`);
}
