import { AppError } from "../../../../../shared/errors.ts";
import type { MergeReport } from "../../../../../shared/protocol/merge-report.ts";
import { messageOf } from "../../log.ts";
import type { PlatformLink } from "../platform/platform-link.ts";
import { frameOf, type TakenFrame } from "./taken-frame.ts";

const ackTimeoutMs = 60_000;
/** Whoever asked at the door waits for it. */
const lastWordMs = 5000;
/** The platform gives an operation up after two minutes without a word. */
const wordEveryMs = 30_000;
/** So often, and then no more. */
const maxWords = 20;

/** What is said to the platform about an operation while it is carried out. */
export class OperationLink {
  readonly #link: Pick<PlatformLink, "sendDurable" | "request">;
  readonly #wordEveryMs: number;

  constructor(link: Pick<PlatformLink, "sendDurable" | "request">, everyMs = wordEveryMs) {
    this.#link = link;
    this.#wordEveryMs = everyMs;
  }

  /** The platform gives it up no sooner than this falls silent. */
  async working<T>(id: string, work: () => Promise<T>): Promise<T> {
    let words = 0;
    const timer = setInterval(() => {
      words += 1;
      if (words <= maxWords) this.#link.request(frameOf(id, "before"), ackTimeoutMs).catch(() => undefined);
    }, this.#wordEveryMs);
    try {
      return await work();
    } finally {
      clearInterval(timer);
    }
  }

  /** From here on the platform ends it by this sandbox's word, or with this sandbox. Throws where it is over. */
  async hold(id: string): Promise<void> {
    await this.#link.request(frameOf(id, "before"), ackTimeoutMs).catch((error: unknown) => {
      throw new AppError("sandbox_unavailable", `It was given up: ${messageOf(error)}`.slice(0, 300));
    });
  }

  /** It is on the log before anything goes on. */
  async record(frame: TakenFrame): Promise<void> {
    await this.#link.request(frame, ackTimeoutMs);
  }

  /** What comes after it stands on it: it reaches the log also where nobody waits for that any more. */
  async recordSurely(frame: TakenFrame): Promise<void> {
    try {
      await this.record(frame);
    } catch (error) {
      this.#link.sendDurable(frame);
      throw error;
    }
  }

  async lastWord(id: string, merge: MergeReport): Promise<void> {
    const frame = { ...frameOf(id, "merge"), merge };
    await this.#link.request(frame, lastWordMs).catch(() => this.#link.sendDurable(frame));
  }
}
