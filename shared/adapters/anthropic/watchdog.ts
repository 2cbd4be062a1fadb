/** Calls back once its time is over. */
export interface Timer {
  /** The time begins anew. */
  again(): void;
  stop(): void;
}

export type StartTimer = (ms: number, onEnd: () => void) => Timer;

export const systemTimer: StartTimer = (ms, onEnd) => {
  const timer = setTimeout(onEnd, ms);
  return { again: () => void timer.refresh(), stop: () => clearTimeout(timer) };
};

/** Calls `onSilence` once nothing came for `idleMs` while somebody was waiting for it. */
export class Watchdog {
  #timer: Timer | null = null;
  #isWaiting = false;

  constructor(
    private readonly idleMs: number,
    private readonly onSilence: () => void,
    private readonly startTimer: StartTimer,
  ) {}

  /** Waits for one thing; the time that the caller spends between two of them does not count. */
  async during<T>(wait: Promise<T>): Promise<T> {
    this.#isWaiting = true;
    if (this.#timer === null) this.#timer = this.startTimer(this.idleMs, () => this.#end());
    else this.#timer.again();
    try {
      return await wait;
    } finally {
      this.#isWaiting = false;
    }
  }

  stop(): void {
    this.#timer?.stop();
  }

  #end(): void {
    if (this.#isWaiting) this.onSilence();
  }
}
