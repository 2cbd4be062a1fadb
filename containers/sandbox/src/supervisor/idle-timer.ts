/** Fires once nothing has happened for a time. Never while `isBusy`. */
export class IdleTimer {
  readonly #isBusy: () => boolean;
  readonly #onIdle: () => void;
  #afterMs: number | null = null;
  #timer: NodeJS.Timeout | undefined;
  #touches = 0;

  constructor(isBusy: () => boolean, onIdle: () => void) {
    this.#isBusy = isBusy;
    this.#onIdle = onIdle;
  }

  start(afterSeconds: number): void {
    this.#afterMs = afterSeconds * 1000;
    this.touch();
  }

  /** Rises with everything that happens. */
  get touches(): number {
    return this.#touches;
  }

  touch(): void {
    this.#touches += 1;
    clearTimeout(this.#timer);
    if (this.#afterMs === null) return;
    this.#timer = setTimeout(() => (this.#isBusy() ? this.touch() : this.#onIdle()), this.#afterMs);
  }

  stop(): void {
    this.#afterMs = null;
    clearTimeout(this.#timer);
  }
}
