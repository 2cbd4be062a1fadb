import { closeSync, openSync, writeSync } from "node:fs";
import { mostInMemory, type Stretch } from "./stretch.ts";

/** Collects bytes, in memory as long as they are few. */
export class Spool {
  readonly #path: string;
  #pieces: Buffer[] = [];
  #pending = 0;
  #written = 0;
  #file: number | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  add(pieces: readonly Buffer[]): void {
    for (const piece of pieces) {
      this.#pieces.push(piece);
      this.#pending += piece.length;
    }
    if (this.#pending > mostInMemory) this.#write();
  }

  /** All of it; nothing comes after that. */
  end(): Stretch {
    if (this.#file === null) return Buffer.concat(this.#pieces, this.#pending);
    this.#write();
    closeSync(this.#file);
    return { path: this.#path, from: 0, length: this.#written };
  }

  #write(): void {
    this.#file ??= openSync(this.#path, "wx", 0o600);
    for (const piece of this.#pieces) {
      for (let at = 0; at < piece.length;) at += writeSync(this.#file, piece, at);
    }
    this.#written += this.#pending;
    [this.#pieces, this.#pending] = [[], 0];
  }
}
