interface OutputSink {
  text: (text: string) => void;
  skipped: (bytes: number) => void;
}

/** Half of the most that one call may hand over: the first half goes through live, the last is kept back. */
const halfBytes = 5 * 1024 * 1024;

/** Lets the head of an endless output through, drops its middle and hands over its tail at the end. */
export class OutputLimit {
  readonly #sink: OutputSink;
  readonly #half: number;
  #passed = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #skipped = 0;

  constructor(sink: OutputSink, half = halfBytes) {
    this.#sink = sink;
    this.#half = half;
  }

  push(text: string): void {
    const bytes = Buffer.byteLength(text);
    if (this.#passed + bytes <= this.#half && this.#tailBytes === 0) {
      this.#passed += bytes;
      this.#sink.text(text);
      return;
    }
    this.#tail.push(Buffer.from(text));
    this.#tailBytes += bytes;
    while (this.#tail.length > 1 && this.#tailBytes - (this.#tail[0]?.length ?? 0) >= this.#half) this.#dropOldest();
  }

  end(): void {
    if (this.#skipped > 0) this.#sink.skipped(this.#skipped);
    for (const part of this.#tail) this.#sink.text(part.toString("utf8"));
    this.#tail = [];
    this.#tailBytes = 0;
  }

  #dropOldest(): void {
    const oldest = this.#tail.shift();
    this.#tailBytes -= oldest?.length ?? 0;
    this.#skipped += oldest?.length ?? 0;
  }
}
