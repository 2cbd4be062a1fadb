import type { RestoreWhat } from "../../shared/protocol/server-event.ts";

/** A prompt whose answer came: the platform owes one turn for it, or a place in one that ran. */
export interface Acked {
  turn_id: string;
  seq: number;
  content: string;
}

/** What a person did beside prompting, as it was answered: the log has to say the same. */
export interface Deeds {
  /** Turns of which an answer said that they will end as interrupted. */
  interrupting: Set<string>;
  /** Prompts that go before all others: each may end a turn. */
  urgent: number;
  /** Turns that were asked to be taken out of the queue. */
  cancelled: Set<string>;
  /** By the approval's id. */
  decisions: Map<string, string>;
  restores: { number: number; what: RestoreWhat; seq: number | null }[];
  /** Restores of which nobody knows whether they were begun. */
  unsure: number;
  /** Numbers of checkpoints on demand. */
  checkpoints: number[];
  /** What no answer may be. */
  refused: string[];
}

export function noDeeds(): Deeds {
  return {
    interrupting: new Set(),
    urgent: 0,
    cancelled: new Set(),
    decisions: new Map(),
    restores: [],
    unsure: 0,
    checkpoints: [],
    refused: [],
  };
}
