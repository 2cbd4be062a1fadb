import type { OutwardEvent } from "../protocol/webhook.ts";

export interface EventBus {
  /** Every event at least once; throws where one could not be put after some tries. */
  put(events: OutwardEvent[]): Promise<void>;
}
