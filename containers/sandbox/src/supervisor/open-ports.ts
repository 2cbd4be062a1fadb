const windowMs = 10_000;
const mostInWindow = 32;

export type PortFrame = { type: "sandbox.port_opened" | "sandbox.port_closed"; port: number };

interface OpenPortsOptions {
  /** The supervisor's own. */
  except: number;
  tell: (frame: PortFrame) => void;
  now: () => number;
}

/**
 * The ports on which people's servers listen. People's code opens them as fast as it likes: so many are told of in a while,
 * with their ends; the others open by their number all the same.
 */
export class OpenPorts {
  readonly #options: OpenPortsOptions;
  readonly #open = new Set<number>();
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
    if (!this.#mayTell()) return;
    this.#told.add(port);
    this.#options.tell({ type: "sandbox.port_opened", port });
  }

  closed(port: number): void {
    this.#open.delete(port);
    if (this.#told.delete(port)) this.#options.tell({ type: "sandbox.port_closed", port });
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
