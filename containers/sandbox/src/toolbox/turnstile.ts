/**
 * Lets calls in by the order in which they came: those that change files one at a time, those that only look together,
 * but after every change that was asked for before them. A model that writes a file and then runs it means that order.
 */
export class Turnstile {
  #lastChange: Promise<unknown> = Promise.resolve();
  #looking: Promise<unknown>[] = [];

  change<T>(run: () => Promise<T>): Promise<T> {
    const before = [this.#lastChange, ...this.#looking];
    const mine = Promise.allSettled(before).then(run);
    this.#lastChange = mine.catch(() => undefined);
    this.#looking = [];
    return mine;
  }

  look<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.#lastChange.then(run);
    this.#looking.push(mine.catch(() => undefined));
    return mine;
  }
}
