const windowMs = 10_000;
const mostInWindow = 32;

export type PortFrame = { type: "sandbox.port_opened" | "sandbox.port_closed"; port: number };

interface OpenPortsOptions {
  /** The supervisor's own. */
  except: number;
  /** False where it could not be sent. */
  tell: (frame: PortFrame) => boolean;
  now: () => number;
}

/**
 * The ports on which people's servers listen. People's code opens them as fast as it likes: so many are told of in a while,
 * with their ends; the others open by their number all the same.
 */
export class OpenPorts {
  readonly #options: OpenPortsOptions;
  readonly #open = new Set<number>();
  readonly #toTell = new Set<number>();
  readonly #told = new Set<number>();
  #from = Number.NEGATIVE_INFINITY;
  #toldInWindow = 0;

  constructor(options: OpenPortsOptions) {
    this.#options = options;
  }

  get list(): number[] {
    return [...this.#open].toSorted((a, b) => a - b);
  }

  opened(port: number): void {
    if (port === this.#options.except) return;
    this.#open.add(port);
    if (this.#mayTell()) this.#toTell.add(port);
    this.catchUp();
  }

  closed(port: number): void {
    this.#open.delete(port);
    this.#toTell.delete(port);
    this.catchUp();
  }

  /** Tells what came of it while nothing could be sent: neither an end nor a beginning is kept from who watches. */
  catchUp(): void {
    const { tell } = this.#options;
    for (const port of this.#told) {
      if (!this.#toTell.has(port) && tell({ type: "sandbox.port_closed", port })) this.#told.delete(port);
    }
    for (const port of this.#toTell) {
      if (!this.#told.has(port) && tell({ type: "sandbox.port_opened", port })) this.#told.add(port);
    }
  }

  /** Who listened is gone. */
  lost(): void {
    for (const port of this.#open) this.closed(port);
  }

  #mayTell(): boolean {
    if (this.#options.now() - this.#from >= windowMs) {
      this.#from = this.#options.now();
      this.#toldInWindow = 0;
    }
    this.#toldInWindow += 1;
    return this.#toldInWindow <= mostInWindow;
  }
}
