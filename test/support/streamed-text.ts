/** A text that comes in pieces with offsets: in any order, doubled, or with some lost. */
export class StreamedText {
  readonly #pieces = new Map<number, string>();

  write(offset: number, text: string): void {
    const known = this.#pieces.get(offset) ?? "";
    if (text.length > known.length) this.#pieces.set(offset, text);
  }

  /** From the beginning up to the first gap. */
  text(): string {
    let whole = "";
    for (const [offset, piece] of [...this.#pieces].toSorted(([a], [b]) => a - b)) {
      if (offset > whole.length) break;
      whole += piece.slice(whole.length - offset);
    }
    return whole;
  }
}
