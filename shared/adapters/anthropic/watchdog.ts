/** Calls `onSilence` once nothing came for `idleMs` while somebody was waiting for it. */
export class Watchdog {
  #timer: NodeJS.Timeout | null = null;
  #isWaiting = false;

  constructor(
    private readonly idleMs: number,
    private readonly onSilence: () => void,
  ) {}

  /** Waits for one thing; the time that the caller spends between two of them does not count. */
  async during<T>(wait: Promise<T>): Promise<T> {
    this.#isWaiting = true;
    if (this.#timer === null) this.#timer = setTimeout(() => this.#fire(), this.idleMs);
    else this.#timer.refresh();
    try {
      return await wait;
    } finally {
      this.#isWaiting = false;
    }
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #fire(): void {
    if (this.#isWaiting) this.onSilence();
  }
}
