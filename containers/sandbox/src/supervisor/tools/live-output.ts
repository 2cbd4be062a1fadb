import {
  maxLiveToolOutputBytes,
  maxToolOutputFrameBytes,
  toolOutputIntervalMs,
} from "../../../../../shared/protocol/limits.ts";
import { isLowSurrogate } from "../../../../../shared/text-pieces.ts";

/** Shorter than a person sees, longer than most commands take. */
const firstAfterMs = 50;

export interface OutputFrame {
  /** UTF-16 units from the start of the call's output, so that a reader sees a gap. */
  offset: number;
  text: string;
}

/**
 * A call's output while it runs: the first frame after a moment, then one each interval. A call that ends within that
 * moment sends none, since its result says it all. Where more came than fits, the newest is shown and the offset jumps.
 * The result itself is whole; this is for people who watch.
 */
export class LiveOutput {
  readonly #send: (frame: OutputFrame) => void;
  #pending = "";
  #offset = 0;
  #sentBytes = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(send: (frame: OutputFrame) => void) {
    this.#send = send;
  }

  push(text: string): void {
    if (this.#sentBytes >= maxLiveToolOutputBytes) return;
    this.#pending += text;
    this.#cutPending();
    if (this.#timer) return;
    if (this.#offset > 0) return this.#begin();
    this.#timer = setTimeout(() => this.#begin(), firstAfterMs);
  }

  end(): void {
    if (this.#offset > 0) this.#flush();
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #begin(): void {
    this.#flush();
    this.#timer = setInterval(() => this.#tick(), toolOutputIntervalMs);
  }

  #tick(): void {
    if (this.#pending) return this.#flush();
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  #flush(): void {
    if (!this.#pending) return;
    const text = this.#pending;
    this.#sentBytes += Buffer.byteLength(text);
    this.#send({ offset: this.#offset, text });
    this.#offset += text.length;
    this.#pending = "";
  }

  /** Keeps the newest characters that surely fit a frame (a character takes up to three bytes per UTF-16 unit). */
  #cutPending(): void {
    const most = Math.min(maxToolOutputFrameBytes, maxLiveToolOutputBytes - this.#sentBytes);
    if (Buffer.byteLength(this.#pending) <= most) return;
    let from = Math.max(0, this.#pending.length - Math.floor(most / 3));
    if (isLowSurrogate(this.#pending.charCodeAt(from))) from += 1;
    this.#offset += from;
    this.#pending = this.#pending.slice(from);
  }
}
