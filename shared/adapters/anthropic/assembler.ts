import type { ContentBlock } from "../../protocol/content.ts";
import {
  ModelFailure,
  type ModelEvent,
  type ModelUsage,
  type PartialAnswer,
  type StopReason,
} from "../../ports/model.ts";

type Json = Record<string, unknown>;

interface OpenBlock {
  block: Json;
  /** Pieces of a tool call's input, parsed when the block ends. */
  inputJson: string;
  isClosed: boolean;
  /** A delta of a kind that this code does not know belongs to it. */
  isIncomplete: boolean;
}

const stopReasons: Readonly<Record<string, StopReason>> = {
  end_turn: "end_turn",
  tool_use: "tool_use",
  max_tokens: "max_tokens",
  refusal: "refusal",
  pause_turn: "pause_turn",
  stop_sequence: "stop_sequence",
  model_context_window_exceeded: "context_window_exceeded",
};

/** What these hold is whole without the deltas that this code does not know. */
const standsAlone = ({ type }: Json) => type === "text" || type === "tool_use";
const isThought = ({ type }: Json) => type === "thinking" || type === "redacted_thinking";

/**
 * Puts a raw event stream together, block by block, exactly as the API sent it: blocks go back unchanged, with fields
 * and block types that this code does not know. Unknown events are skipped; a block that an unknown delta belongs to is
 * left out where half of it would be wrong.
 */
export class AnswerAssembler {
  #blocks: OpenBlock[] = [];
  #stopReason: string | null = null;
  #usage: Json = {};
  #started = false;
  #stopped = false;

  /** `model` is what the caller asked for: the ledger bills by it, whatever alias the answer names. */
  constructor(private readonly model: string) {}

  /** The delta that a reader may see, or null. */
  take(event: Json): ModelEvent | null {
    switch (event["type"]) {
      case "message_start":
        if (this.#started) throw broken("it began twice");
        this.#started = true;
        this.#mergeUsage(asObject(asObject(event["message"])["usage"]));
        return null;
      case "content_block_start":
        return this.#startBlock(event);
      case "content_block_delta":
        return this.#takeDelta(event);
      case "content_block_stop":
        this.#openBlock(event).isClosed = true;
        return null;
      case "message_delta":
        this.#takeMessageDelta(event);
        return null;
      case "message_stop":
        this.#stopped = true;
        return null;
      default:
        return null;
    }
  }

  get isComplete(): boolean {
    return this.#stopped;
  }

  /** Throws unless the stream reached its proper end: a cut stream looks like a short answer. */
  complete(requestId: string | null): ModelEvent {
    if (!this.#started || !this.#stopped) throw broken("it ended before message_stop");
    if (this.#stopReason === null) throw broken("it has no stop reason");
    if (this.#blocks.some((open) => open === undefined || !open.isClosed)) throw broken("a content block has no end");
    const stopReason = stopReasonOf(this.#stopReason);
    const content = this.#whole(this.#blocks, stopReason);
    return { type: "completed", content: content as ContentBlock[], stopReason, usage: this.#totals(), requestId };
  }

  /** What there is of an answer that ended here; null before its begin. Half of a thought or of a call is nothing. */
  partial(requestId: string | null): PartialAnswer | null {
    if (!this.#started) return null;
    const whole = this.#blocks.filter((open) => open.isClosed || open.block["type"] === "text");
    const content = this.#whole(whole, "max_tokens");
    return { content: content as ContentBlock[], usage: this.#totals(), requestId };
  }

  #startBlock(event: Json): ModelEvent | null {
    const index = event["index"];
    if (index !== this.#blocks.length) throw broken("content blocks are out of order");
    const block = { ...asObject(event["content_block"]) };
    this.#blocks.push({ block, inputJson: "", isClosed: false, isIncomplete: false });
    if (block["type"] === "text") return delta("text", index, block["text"]);
    if (block["type"] === "thinking") return delta("thinking", index, block["thinking"]);
    return null;
  }

  #takeDelta(event: Json): ModelEvent | null {
    const open = this.#openBlock(event);
    const index = event["index"] as number;
    const change = asObject(event["delta"]);
    switch (change["type"]) {
      case "text_delta":
        append(open.block, "text", change["text"]);
        return delta("text", index, change["text"]);
      case "thinking_delta":
        append(open.block, "thinking", change["thinking"]);
        return delta("thinking", index, change["thinking"]);
      case "signature_delta":
        open.block["signature"] = change["signature"];
        return null;
      case "input_json_delta":
        if (typeof change["partial_json"] === "string") open.inputJson += change["partial_json"];
        return null;
      case "citations_delta":
        open.block["citations"] = [...asList(open.block["citations"]), change["citation"]];
        return null;
      default:
        open.isIncomplete = true;
        return null;
    }
  }

  #openBlock(event: Json): OpenBlock {
    const open = this.#blocks[event["index"] as number];
    if (open === undefined || open.isClosed) throw broken("an event names a content block that is not open");
    return open;
  }

  #takeMessageDelta(event: Json): void {
    const reason = asObject(event["delta"])["stop_reason"];
    if (typeof reason === "string") this.#stopReason = reason;
    this.#mergeUsage(asObject(event["usage"]));
  }

  /** A thought is bound to all that stood before it: behind something that is left out it would be refused. */
  #whole(blocks: OpenBlock[], stopReason: StopReason): Json[] {
    const finished = blocks.map((open) => this.#finish(open, stopReason));
    const firstGap = finished.indexOf(null);
    return finished.filter(
      (block, index): block is Json => block !== null && (firstGap < 0 || index < firstGap || !isThought(block)),
    );
  }

  /** Null for a call that the answer's end cut off: nobody may run half of it. */
  #finish({ block, inputJson, isIncomplete }: OpenBlock, stopReason: StopReason): Json | null {
    if (isIncomplete && !standsAlone(block)) return null;
    if (inputJson === "") return block;
    const input = parsedObject(inputJson);
    if (input === null && stopReason === "tool_use") throw broken("a tool call's input is not a JSON object");
    return input && { ...block, input };
  }

  /** Counts are cumulative; a null leaves what was said before. */
  #mergeUsage(usage: Json): void {
    for (const [name, value] of Object.entries(usage)) {
      if (value !== null && value !== undefined) this.#usage[name] = value;
    }
  }

  #totals(): ModelUsage {
    const usage = this.#usage;
    const write1h = count(asObject(usage["cache_creation"])["ephemeral_1h_input_tokens"]);
    return {
      model: this.model,
      input_tokens: count(usage["input_tokens"]),
      output_tokens: count(usage["output_tokens"]),
      cache_read_tokens: count(usage["cache_read_input_tokens"]),
      cache_write_tokens: count(usage["cache_creation_input_tokens"]),
      ...(write1h > 0 && { cache_write_1h_tokens: write1h }),
      ...(!isListPrice(usage) && { list_price: false }),
    };
  }
}

/** The tier, the speed and the region of an answer change its price. */
function isListPrice(usage: Json): boolean {
  const { service_tier: tier, speed, inference_geo: region } = usage;
  return (
    (tier === undefined || tier === "standard") &&
    (speed === undefined || speed === "standard") &&
    (region === undefined || region === "global" || region === "not_available")
  );
}

function stopReasonOf(reason: string): StopReason {
  return (Object.hasOwn(stopReasons, reason) ? stopReasons[reason] : undefined) ?? "unknown";
}

export function broken(why: string, cause?: unknown): ModelFailure {
  return new ModelFailure("broken_stream", `the model's stream broke: ${why}`, { cause });
}

function delta(block: "text" | "thinking", index: number, text: unknown): ModelEvent | null {
  return typeof text === "string" && text !== "" ? { type: "delta", block, index, text } : null;
}

function append(block: Json, field: string, text: unknown): void {
  const before = block[field];
  block[field] = (typeof before === "string" ? before : "") + (typeof text === "string" ? text : "");
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

function parsedObject(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function asObject(value: unknown): Json {
  return isObject(value) ? value : {};
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
