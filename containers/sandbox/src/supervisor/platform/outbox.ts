import { meaningOf } from "../../../../../shared/errors.ts";
import type { WireError } from "../../../../../shared/protocol/error-code.ts";
import type { SandboxFrame } from "../../../../../shared/protocol/sandbox-frame.ts";

/** A frame without an ack after this long is sent again. */
export const resendAfterMs = 5000;

interface Waiting {
  frame: SandboxFrame;
  /** Null: not sent on this link. */
  sentAtMs: number | null;
  onAck: (answer: Acknowledgement) => void;
}

export interface Acknowledgement {
  result?: Record<string, unknown> | undefined;
  error?: WireError | undefined;
}

/** Frames that must arrive: kept in order until the platform acknowledges or finally refuses them. */
export class Outbox {
  readonly #waiting = new Map<string, Waiting>();
  #whenEmpty: (() => void)[] = [];

  get size(): number {
    return this.#waiting.size;
  }

  add(frame: SandboxFrame, onAck: (answer: Acknowledgement) => void = () => undefined): void {
    this.#waiting.set(frame.frame_id, { frame, sentAtMs: null, onAck });
  }

  drop(frameId: string): void {
    this.#waiting.delete(frameId);
    if (this.#waiting.size > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  /** What to send now, oldest first; counted as sent. */
  takeDue(nowMs: number): SandboxFrame[] {
    const due = [...this.#waiting.values()].filter(
      ({ sentAtMs }) => sentAtMs === null || nowMs - sentAtMs >= resendAfterMs,
    );
    for (const waiting of due) waiting.sentAtMs = nowMs;
    return due.map(({ frame }) => frame);
  }

  /** A new link: everything is to be sent again. */
  forgetSent(): void {
    for (const waiting of this.#waiting.values()) waiting.sentAtMs = null;
  }

  /** A retryable error leaves the frame waiting; any other is final (a result that came too late is superseded). */
  acknowledge(frameId: string, answer: Acknowledgement): void {
    const waiting = this.#waiting.get(frameId);
    if (!waiting) return;
    const { error } = answer;
    if (error && meaningOf(error.code).retryable) return;
    this.drop(frameId);
    waiting.onAck(answer);
  }

  empty(): Promise<void> {
    if (this.#waiting.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }
}
