import type { InvokeOutcome, ResponseSink } from "../contract.ts";

export type { ResponseSink } from "../contract.ts";

/** How the worker's thread says that an event came to its end. */
export type WorkerOutcome =
  | { kind: "returned"; payload: string }
  | { kind: "streamed" }
  | Exclude<InvokeOutcome, { kind: "returned" }>;

/** Buffered, Lambda holds 6 MB of an answer. */
const maxBufferedBytes = 6 * 1024 * 1024;

type ToWorker = { taken: number } | { readerGone: true };

/** What one event is answered with, on the host's side of the worker: to a sink, or kept to its end. */
export class StreamedResponse {
  readonly #sink: ResponseSink | null;
  readonly #tell: (message: ToWorker) => void;
  readonly #onGone = () => this.#tell({ readerGone: true });
  /** One chunk after the other. */
  #taken = Promise.resolve();
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(sink: ResponseSink | null, tell: (message: ToWorker) => void) {
    this.#sink = sink;
    this.#tell = tell;
    sink?.gone.addEventListener("abort", this.#onGone, { once: true });
  }

  take(chunk: Buffer): void {
    this.#taken = this.#taken.then(() => this.#take(chunk));
  }

  async #take(chunk: Buffer): Promise<void> {
    if (this.#sink === null) {
      this.#bytes += chunk.length;
      if (this.#bytes <= maxBufferedBytes) this.#chunks.push(chunk);
    } else if (!this.#sink.gone.aborted) {
      await this.#sink.write(chunk);
    }
    this.#tell({ taken: chunk.length });
  }

  async end(outcome: WorkerOutcome): Promise<InvokeOutcome> {
    await this.#taken;
    this.#sink?.gone.removeEventListener("abort", this.#onGone);
    if (outcome.kind === "streamed") return this.#buffered();
    if (outcome.kind !== "returned") return outcome;
    if (this.#sink === null) return { kind: "returned", payload: JSON.parse(outcome.payload) as unknown };
    await this.#sink.write(Buffer.from(outcome.payload));
    return { kind: "returned", payload: null };
  }

  /** A function that streams, invoked for its whole answer. */
  #buffered(): InvokeOutcome {
    if (this.#sink !== null) return { kind: "returned", payload: null };
    if (this.#bytes > maxBufferedBytes) {
      const errorMessage = `Response payload size exceeded maximum allowed payload size (${maxBufferedBytes} bytes).`;
      return { kind: "threw", errorType: "Function.ResponseSizeTooLarge", errorMessage, trace: [] };
    }
    const text = Buffer.concat(this.#chunks).toString("utf8");
    return { kind: "returned", payload: text === "" ? null : (JSON.parse(text) as unknown) };
  }
}
