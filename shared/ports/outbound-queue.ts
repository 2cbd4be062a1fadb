import type { OutboundMessage } from "../protocol/webhook.ts";

export interface OutboundQueue {
  /** Best effort by design: the sweeper finds what a lost message leaves. Delay at most 900 s. */
  send(message: OutboundMessage, delaySeconds?: number): Promise<void>;
}
