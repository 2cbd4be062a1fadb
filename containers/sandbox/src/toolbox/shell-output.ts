const escape = String.fromCharCode(0x1b);
const escapeSequences = new RegExp(String.raw`${escape}\[[0-9;?]*[ -/]*[@-~]`, "g");
const openEscapeSequence = new RegExp(String.raw`${escape}(\[[0-9;?]*[ -/]*)?$`);
const longestEscapeChars = 64;

/** How many characters at the end of `text` may be the start of `marker`. */
function openMarkerChars(text: string, marker: string): number {
  const most = Math.min(text.length, marker.length - 1);
  for (let length = most; length > 0; length -= 1) {
    if (marker.startsWith(text.slice(text.length - length))) return length;
  }
  return 0;
}

/** Splits one command's output from the line that ends it, as the bytes come. Trailing newlines are not passed on. */
export class ShellOutput {
  readonly #marker: string;
  readonly #onText: (text: string) => void;
  #held = "";
  #newlines = "";
  exitCode: number | null = null;

  constructor(marker: string, onText: (text: string) => void) {
    this.#marker = `\n${marker}`;
    this.#onText = onText;
  }

  /** True when the command has ended; `exitCode` is then set. */
  push(text: string): boolean {
    this.#held += text;
    const at = this.#held.indexOf(this.#marker);
    if (at >= 0) {
      const end = /^(-?\d+)\n/.exec(this.#held.slice(at + this.#marker.length));
      if (!end) return false;
      this.#emit(this.#held.slice(0, at));
      this.#held = "";
      this.exitCode = Number(end[1]);
      return true;
    }
    const open = openEscapeSequence.exec(this.#held);
    const escape = open && open[0].length < longestEscapeChars ? open[0].length : 0;
    const keep = Math.max(openMarkerChars(this.#held, this.#marker), escape);
    this.#emit(this.#held.slice(0, this.#held.length - keep));
    this.#held = this.#held.slice(this.#held.length - keep);
    return false;
  }

  /** The shell died: what was held back is output. */
  flush(): void {
    this.#emit(this.#held);
    this.#held = "";
  }

  #emit(raw: string): void {
    const text = this.#newlines + raw.replace(escapeSequences, "");
    const trimmed = text.replace(/\n+$/, "");
    this.#newlines = text.slice(trimmed.length);
    if (trimmed) this.#onText(trimmed);
  }
}
