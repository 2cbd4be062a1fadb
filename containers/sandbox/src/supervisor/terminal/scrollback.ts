import { isLowSurrogate } from "../../../../../shared/text-pieces.ts";

const firstCapacity = 16 * 1024;

/** The newest output of a terminal, in a ring of UTF-16 units: it grows to its limit and no further. */
export class Scrollback {
  readonly #most: number;
  #ring: Uint16Array;
  #end = 0;

  constructor(most: number) {
    this.#most = most;
    this.#ring = new Uint16Array(Math.min(firstCapacity, most));
  }

  /** Offset after the newest unit. */
  get end(): number {
    return this.#end;
  }

  /** Offset of the oldest unit that is kept; never in the middle of a character. */
  get start(): number {
    const oldest = Math.max(0, this.#end - this.#ring.length);
    return oldest > 0 && isLowSurrogate(this.#at(oldest)) ? oldest + 1 : oldest;
  }

  push(text: string): void {
    this.#grow(this.#end + text.length);
    const size = this.#ring.length;
    for (let at = Math.max(0, text.length - size); at < text.length; at += 1) {
      this.#ring[(this.#end + at) % size] = text.charCodeAt(at);
    }
    this.#end += text.length;
  }

  /** What is kept from `offset` on. */
  from(offset: number): { offset: number; data: string } {
    const from = Math.min(Math.max(offset, this.start), this.#end);
    const units = Buffer.alloc((this.#end - from) * 2);
    for (let at = from; at < this.#end; at += 1) units.writeUInt16LE(this.#at(at), (at - from) * 2);
    return { offset: from, data: units.toString("utf16le") };
  }

  #at(offset: number): number {
    return this.#ring[offset % this.#ring.length] ?? 0;
  }

  #grow(wanted: number): void {
    let size = this.#ring.length;
    while (size < wanted && size < this.#most) size = Math.min(size * 2, this.#most);
    if (size === this.#ring.length) return;
    const grown = new Uint16Array(size);
    for (let at = Math.max(0, this.#end - this.#ring.length); at < this.#end; at += 1) grown[at % size] = this.#at(at);
    this.#ring = grown;
  }
}
