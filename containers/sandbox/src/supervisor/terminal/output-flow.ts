import { maxTerminalFrameBytes } from "../../../../../shared/protocol/terminal.ts";
import { lengthOfPiece } from "../../../../../shared/text-pieces.ts";

interface FlowOptions {
  send: (frame: { offset: number; data: string }) => void;
  /** Bytes that wait on the link: with too many, the terminal waits too. */
  backlog: () => number;
  pause: () => void;
  resume: () => void;
}

/** Between two frames: an echo that comes after a pause goes out at once. */
const intervalMs = 40;
const pauseOverUnits = 32 * 1024;
const resumeUnderUnits = 16 * 1024;
const maxBacklogBytes = 256 * 1024;

/** A terminal's output on its way to the link, a bounded frame at a time. What is not sent yet holds its source back. */
export class OutputFlow {
  readonly #options: FlowOptions;
  #pending = "";
  #offset = 0;
  #timer: NodeJS.Timeout | null = null;
  #isPaused = false;

  constructor(options: FlowOptions) {
    this.#options = options;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  push(text: string): void {
    this.#pending += text;
    if (!this.#timer) this.#tick();
    if (this.#isPaused || this.#pending.length <= pauseOverUnits) return;
    this.#isPaused = true;
    this.#options.pause();
  }

  /** Sends what is left. */
  end(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    while (this.#pending && this.#options.backlog() <= maxBacklogBytes) this.#sendPiece();
    this.#offset += this.#pending.length;
    this.#pending = "";
  }

  #tick(): void {
    this.#timer = null;
    if (!this.#pending) return;
    if (this.#options.backlog() <= maxBacklogBytes) this.#sendPiece();
    this.#timer = setTimeout(() => this.#tick(), intervalMs);
    if (!this.#isPaused || this.#pending.length >= resumeUnderUnits) return;
    this.#isPaused = false;
    this.#options.resume();
  }

  #sendPiece(): void {
    const data = this.#pending.slice(0, lengthOfPiece(this.#pending, 0, maxTerminalFrameBytes));
    this.#options.send({ offset: this.#offset, data });
    this.#offset += data.length;
    this.#pending = this.#pending.slice(data.length);
  }
}
