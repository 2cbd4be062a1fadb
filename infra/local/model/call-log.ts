import type { MessageUsage } from "./message.ts";
import type { Block } from "./request.ts";

/** One request to the rehearsal model, as a test compares it with the ledger. */
export interface ModelCall {
  /** Milliseconds since the epoch. */
  at: number;
  endedAt: number | null;
  requestId: string;
  /** Tells connections apart. */
  clientPort: number | null;
  /** HTTP status. */
  status: number;
  /** `completed`: everything up to `message_stop` was written. `abandoned`: the client left first. */
  outcome: "running" | "completed" | "broken" | "abandoned" | "refused";
  /** Of a completed call: what a provider would bill for an answer that arrived. */
  usage: MessageUsage | null;
  /** What the whole answer comes to, from when it begins. */
  whole: MessageUsage | null;
  stopReason: string | null;
  /** Why it was refused. */
  error: string | null;
  /** The body as it was sent, where it is JSON: kept parsed, long conversations give the collector more to do. */
  text: string | null;
  /** Parsed, and the answer; null once the call is old. */
  readonly body: Record<string, unknown> | null;
  answer: Block[] | null;
}

/** Bodies of calls beyond the last ones are dropped: they repeat the whole conversation each time. */
export class CallLog {
  #calls: ModelCall[] = [];

  constructor(private readonly keptBodies: number) {}

  add(requestId: string, at: number, clientPort: number | null): ModelCall {
    const call: ModelCall = {
      at,
      endedAt: null,
      requestId,
      clientPort,
      status: 200,
      outcome: "running",
      usage: null,
      whole: null,
      stopReason: null,
      error: null,
      text: null,
      get body() {
        return this.text === null ? null : (JSON.parse(this.text) as Record<string, unknown>);
      },
      answer: null,
    };
    this.#calls.push(call);
    const old = this.#calls.at(-1 - this.keptBodies);
    if (old !== undefined) {
      old.text = null;
      old.answer = null;
    }
    return call;
  }

  all(): ModelCall[] {
    return [...this.#calls];
  }
}
