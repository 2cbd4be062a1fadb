import type { Fault, Pace } from "./answer.ts";
import { messageHead, type RehearsedMessage } from "./message.ts";
import type { Block, RehearsalRequest } from "./request.ts";

export interface SseEvent {
  name: string;
  data: Record<string, unknown>;
  /** Comes after the pace's pause. */
  isPaced?: boolean;
}

/** Where the server writes a stream; false once the client is gone. */
export interface EventSink {
  write(text: string): Promise<boolean>;
  /** Ends properly, or tears the connection down. */
  end(how: "properly" | "torn"): void;
  /** Resolves true after so many milliseconds, or false once the client is gone. */
  pause(ms: number): Promise<boolean>;
  gone: Promise<void>;
}

const toolChunkCharacters = 1024;

/** All events of a message, in order. */
export function eventsOf(request: RehearsalRequest, message: RehearsedMessage, pace: Pace): SseEvent[] {
  const blocks = message.content.flatMap((block, index) => blockEvents(block, index, message.rawJson.get(index), pace));
  return [
    event("message_start", { message: messageHead(request, message) }),
    event("ping", {}),
    ...blocks,
    event("message_delta", {
      delta: {
        stop_reason: message.stopReason,
        stop_sequence: null,
        stop_details: message.stopDetails,
        container: null,
      },
      usage: {
        input_tokens: message.usage.input_tokens,
        cache_creation_input_tokens: message.usage.cache_creation_input_tokens,
        cache_read_input_tokens: message.usage.cache_read_input_tokens,
        output_tokens: message.usage.output_tokens,
        output_tokens_details: message.usage.output_tokens_details,
        server_tool_use: null,
      },
    }),
    event("message_stop", {}),
  ];
}

function blockEvents(block: Block, index: number, rawJson: string | undefined, pace: Pace): SseEvent[] {
  const delta = (change: Record<string, unknown>, isPaced = false): SseEvent => ({
    ...event("content_block_delta", { index, delta: change }),
    isPaced,
  });
  const between = (start: Block, deltas: SseEvent[]) => [
    event("content_block_start", { index, content_block: start }),
    ...deltas,
    event("content_block_stop", { index }),
  ];
  switch (block.type) {
    case "text": {
      const pieces = chunks(String(block["text"]), pace.chunkCharacters);
      return between(
        { ...block, text: "" },
        pieces.map((text) => delta({ type: "text_delta", text }, true)),
      );
    }
    case "thinking": {
      const pieces = chunks(String(block["thinking"]), pace.chunkCharacters);
      return between({ type: "thinking", thinking: "", signature: "" }, [
        ...pieces.map((thinking) => delta({ type: "thinking_delta", thinking }, true)),
        delta({ type: "signature_delta", signature: block["signature"] }),
      ]);
    }
    case "tool_use": {
      const isEmpty = rawJson === undefined && Object.keys(block["input"] as object).length === 0;
      const json = isEmpty ? "" : (rawJson ?? JSON.stringify(block["input"]));
      const pieces = ["", ...chunks(json, toolChunkCharacters)];
      return between(
        { ...block, input: {} },
        pieces.map((part) => delta({ type: "input_json_delta", partial_json: part })),
      );
    }
    default:
      return between(block, []);
  }
}

/** Without cutting a character in two. */
function chunks(text: string, length: number): string[] {
  const characters = [...text];
  const size = Math.max(1, Math.ceil(length));
  return Array.from({ length: Math.ceil(characters.length / size) }, (_, index) =>
    characters.slice(index * size, (index + 1) * size).join(""),
  );
}

function event(name: string, data: Record<string, unknown>): SseEvent {
  return { name, data: { type: name, ...data } };
}

/** Writes a stream, with its pauses and with its fault. */
export async function writeEvents(
  events: SseEvent[],
  pace: Pace,
  fault: Fault | undefined,
  sink: EventSink,
): Promise<"completed" | "broken" | "abandoned"> {
  const paced = events.filter((each) => each.isPaced).length;
  const pauseMs = paced === 0 ? 0 : Math.min(pace.chunkMs, pace.atMostMs / paced);
  const breaksAt = breakPoint(fault, events.length);
  let unsent = "";
  for (const [index, each] of events.entries()) {
    if (index === breaksAt) {
      if (!(await sink.write(unsent))) return "abandoned";
      return breakOff(fault, sink);
    }
    if (each.isPaced && pauseMs > 0) {
      if (!(await sink.write(unsent)) || !(await sink.pause(pauseMs))) return "abandoned";
      unsent = "";
    }
    unsent += serialised(fault?.kind === "no_stop_reason" ? withoutStopReason(each) : each);
  }
  if (!(await sink.write(unsent))) return "abandoned";
  sink.end("properly");
  return fault === undefined ? "completed" : "broken";
}

function breakPoint(fault: Fault | undefined, length: number): number {
  if (fault === undefined || fault.kind === "status" || fault.kind === "no_stop_reason") return -1;
  return Math.min(fault.afterEvents ?? Math.floor(length / 2), length - 1);
}

async function breakOff(fault: Fault | undefined, sink: EventSink): Promise<"broken"> {
  switch (fault?.kind) {
    case "malformed":
      await sink.write('event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n');
      sink.end("properly");
      return "broken";
    case "error_event":
      await sink.write(serialised(event("error", { error: { type: fault.type, message: "scripted" } })));
      sink.end("properly");
      return "broken";
    case "stall":
      await sink.gone;
      return "broken";
    case "reset":
      sink.end("torn");
      return "broken";
    default:
      sink.end("properly");
      return "broken";
  }
}

function withoutStopReason(each: SseEvent): SseEvent {
  if (each.name !== "message_delta") return each;
  return { ...each, data: { ...each.data, delta: { ...(each.data["delta"] as object), stop_reason: null } } };
}

function serialised(each: SseEvent): string {
  return `event: ${each.name}\ndata: ${JSON.stringify(each.data)}\n\n`;
}
