const windowMs = 10_000;
const mostInWindow = 32;

/** People's code opens ports as fast as it likes: so many are told of in a while. The others open by their number all the same. */
export class PortAnnouncements {
  readonly #now: () => number;
  #from = Number.NEGATIVE_INFINITY;
  #told = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  mayTell(): boolean {
    if (this.#now() - this.#from >= windowMs) {
      this.#from = this.#now();
      this.#told = 0;
    }
    this.#told += 1;
    return this.#told <= mostInWindow;
  }
}
