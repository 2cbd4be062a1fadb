import type { WakeUp } from "../protocol/wake-up.ts";

export interface WorkQueue {
  /** Best effort by design: the sweeper finds what a lost wake-up leaves. Delay at most 900 s. */
  send(wakeUp: WakeUp, delaySeconds?: number): Promise<void>;
}
