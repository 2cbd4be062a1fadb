import type { ContentBlock } from "../protocol/content.ts";
import type { Usage } from "../protocol/content.ts";

/** One message of the transcript in the model API's own shape. */
export interface ModelMessage {
  role: "user" | "assistant";
  content: unknown[];
}

export interface ModelTool {
  name: string;
  description: string;
  input_schema: Record<string, unknown>;
}

export interface ModelRequest {
  model: string;
  system: string;
  tools: ModelTool[];
  messages: ModelMessage[];
  maxTokens: number;
}

export type StopReason =
  | "end_turn"
  | "tool_use"
  | "max_tokens"
  | "refusal"
  | "pause_turn"
  | "context_window_exceeded"
  | "stop_sequence"
  /** One that this code does not know (yet). */
  | "unknown";

export type ModelEvent =
  | { type: "delta"; block: "text" | "thinking"; index: number; text: string }
  /** The only event that makes an answer: without it nothing may be committed. */
  | { type: "completed"; content: ContentBlock[]; stopReason: StopReason; usage: ModelUsage; requestId: string | null };

/** What a call is billed by; the two optional fields matter to the price only (`costMicroUsd`). */
export type ModelUsage = Omit<Usage, "cost_micro_usd"> & { cache_write_1h_tokens?: number; list_price?: boolean };

/** An answer that ended before its end: what there was of it, and what the API had counted by then. */
export interface PartialAnswer {
  /** Whole blocks as the API sent them, and the text so far of one that was not. */
  content: ContentBlock[];
  usage: ModelUsage;
  requestId: string | null;
}

/** Why a call failed, classified by the error's type and never by the HTTP status alone. */
export type ModelFailureKind =
  /** 429, 529, 500, 504, reset: wait (`retryAfterMs`), burn no retry. */
  | "overloaded"
  /** Cut, stalled or malformed stream: nothing of it counts. */
  | "broken_stream"
  /** 413, or a prompt that does not fit the model: a shorter one can succeed. */
  | "too_long"
  /** 400: thoughts that do not fit what stands before them. */
  | "unfit_thinking"
  /** 400: the same request can never succeed. */
  | "rejected"
  /** 404: no such model. */
  | "no_such_model"
  /** 401 or 403. */
  | "unauthorized"
  /** 402: spend limit. */
  | "payment";

export class ModelFailure extends Error {
  readonly kind: ModelFailureKind;
  readonly retryAfterMs: number | null;
  /** Null where the answer had not begun: then nothing was counted. Counts for a caller who wanted the end. */
  partial: PartialAnswer | null = null;

  constructor(kind: ModelFailureKind, message: string, options?: { retryAfterMs?: number | null; cause?: unknown }) {
    super(message, { cause: options?.cause });
    this.name = "ModelFailure";
    this.kind = kind;
    this.retryAfterMs = options?.retryAfterMs ?? null;
  }
}

export interface Model {
  /**
   * Yields deltas and exactly one `completed` at the end, or throws a `ModelFailure`, also once `signal` aborts. Never
   * retries by itself.
   */
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}
