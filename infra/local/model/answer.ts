/** What the rehearsal model says in one call, before it is made into a message. */
export interface Answer {
  content: AnswerBlock[];
  /** Follows from the content where it is left out: `tool_use` or `end_turn`. */
  stopReason?: string;
  stopDetails?: unknown;
  fault?: Fault;
  pace?: Pace;
  /** Replaces what would be counted. */
  usage?: {
    input_tokens?: number;
    output_tokens?: number;
    cache_read_input_tokens?: number;
    cache_creation_input_tokens?: number;
  };
}

export type AnswerBlock =
  | { type: "text"; text: string }
  /** Gets its signature from the server. */
  | { type: "thinking"; thinking: string }
  | { type: "redacted_thinking"; data: string }
  /** `id` only where a test needs a known one; `rawJson` replaces the streamed input, to be wrong on purpose. */
  | { type: "tool_use"; name: string; input: Record<string, unknown>; id?: string; rawJson?: string }
  /** A block that the API does not have yet. */
  | { type: "unknown"; block: Record<string, unknown> };

/** How an answer goes wrong. Streams break after so many SSE events (default: in the middle). */
export type Fault =
  /** An HTTP error in the API's shape; nothing is streamed. */
  | { kind: "status"; status: number; type?: string; message?: string; retryAfterSeconds?: number; errorCode?: string }
  /** The connection ends properly, as if all had been said. */
  | { kind: "cut"; afterEvents?: number }
  /** The connection is torn down; with `afterEvents: 0` before the response has begun. */
  | { kind: "reset"; afterEvents?: number }
  /** Nothing more comes, not even a ping, until the client leaves. */
  | { kind: "stall"; afterEvents?: number }
  | { kind: "malformed"; afterEvents?: number }
  /** An SSE `error` event after a 200. */
  | { kind: "error_event"; type: string; afterEvents?: number }
  /** `message_stop` without a stop reason. */
  | { kind: "no_stop_reason" };

export interface Pace {
  /** Before the first byte of the answer. */
  firstByteMs: number;
  /** Between two pieces of text. */
  chunkMs: number;
  chunkCharacters: number;
  /** The pieces of one answer come faster where they would take longer than this. */
  atMostMs: number;
  /** A ping each time, while the answer waits for its first byte. */
  pingMs?: number;
}

export const typing: Pace = { firstByteMs: 120, chunkMs: 25, chunkCharacters: 14, atMostMs: 1200 };
export const instant: Pace = { firstByteMs: 0, chunkMs: 0, chunkCharacters: 60, atMostMs: 0 };

export const say = (text: string): AnswerBlock => ({ type: "text", text });
export const think = (thinking: string): AnswerBlock => ({ type: "thinking", thinking });
export const call = (name: string, input: Record<string, unknown>): AnswerBlock => ({ type: "tool_use", name, input });
