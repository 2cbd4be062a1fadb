/** The most that is kept of one call, whatever the toolbox sends. */
export const maxWholeOutputBytes = 10 * 1024 * 1024;

/** A call's whole output: its first half up to the cap, and of what follows the end. */
export class WholeOutput {
  readonly #half: number;
  #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #skipped = 0;

  constructor(mostBytes = maxWholeOutputBytes) {
    this.#half = Math.floor(mostBytes / 2) - 64;
  }

  push(text: string): void {
    const bytes = Buffer.from(text);
    if (this.#tail.length === 0 && this.#skipped === 0 && this.#headBytes + bytes.length <= this.#half) {
      this.#head.push(bytes);
      this.#headBytes += bytes.length;
      return;
    }
    this.#tail.push(bytes);
    this.#tailBytes += bytes.length;
    while (this.#tailBytes > this.#half && this.#tail.length > 1) {
      const oldest = this.#tail.shift()?.length ?? 0;
      this.#tailBytes -= oldest;
      this.#skipped += oldest;
    }
  }

  /** The toolbox threw so much away here. */
  skip(bytes: number): void {
    this.#skipped += bytes + this.#tailBytes;
    this.#tail = [];
    this.#tailBytes = 0;
  }

  bytes(): Buffer {
    const note = this.#skipped > 0 ? [Buffer.from(`\n[... ${this.#skipped} bytes left out ...]\n`)] : [];
    return Buffer.concat([...this.#head, ...note, ...this.#tail]);
  }
}
