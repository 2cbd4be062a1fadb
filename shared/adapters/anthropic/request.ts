import { factsOf } from "../../config/models.ts";
import type { ModelMessage, ModelRequest } from "../../ports/model.ts";

type Block = Record<string, unknown>;

const breakpoint = { cache_control: { type: "ephemeral" } } as const;
/** The API takes four breakpoints: one on the tools, one on the system prompt, these on the conversation. */
const conversationBreakpoints = 2;

/**
 * The body of `POST /v1/messages`. Pure, and stable in its prefix: two requests of one conversation differ only in the
 * messages that were added and in where the breakpoints of the conversation are.
 */
export function buildModelRequest(request: ModelRequest): Record<string, unknown> {
  return { ...requestHead(request), messages: markedMessages(request.messages) };
}

/** A message that the next request holds too is the same object there: it is serialised once. */
const serialised = new WeakMap<ModelMessage, Buffer>();
const comma = Buffer.from(",");
/** In place of the end of a message's last block: the block with a breakpoint. */
const mark = Buffer.from(`,${JSON.stringify(breakpoint).slice(1)}]}`);
const endOfBlocks = Buffer.byteLength("}]}");

function serialise(message: ModelMessage): Buffer {
  const known = serialised.get(message);
  if (known) return known;
  const bytes = Buffer.from(JSON.stringify(withoutEmptyText(message)));
  serialised.set(message, bytes);
  return bytes;
}

/** The bytes of `buildModelRequest`: what the call before serialised is put together again, with other breakpoints. */
export function serialiseRequest(request: ModelRequest): Buffer {
  const head = JSON.stringify(requestHead(request));
  const marked = new Set(markedPlaces(request.messages));
  const parts = request.messages.flatMap((message, index) => {
    const bytes = serialise(message);
    const between = index === 0 ? [] : [comma];
    return marked.has(index) ? [...between, bytes.subarray(0, -endOfBlocks), mark] : [...between, bytes];
  });
  return Buffer.concat([Buffer.from(`${head.slice(0, -1)},"messages":[`), ...parts, Buffer.from("]}")]);
}

/** Everything but the messages. */
export function requestHead(request: Omit<ModelRequest, "messages">): Record<string, unknown> {
  const facts = factsOf(request.model);
  return {
    model: request.model,
    max_tokens: facts === null ? request.maxTokens : Math.min(request.maxTokens, facts.maxOutputTokens),
    stream: true,
    ...(facts?.adaptiveThinking && {
      // Text between tool calls comes back as thinking, which is empty unless it is asked for.
      thinking: { type: "adaptive", display: "summarized" },
      output_config: { effort: facts.effort },
    }),
    tools: markLast(request.tools),
    system: [{ type: "text", text: request.system, ...breakpoint }],
  };
}

/**
 * Breakpoints go on the last block of the last user messages: the newest writes the cache, the one before is where the
 * call before wrote it, which the API's own look-back would miss after a step of more than 20 blocks.
 */
export function markedMessages(messages: readonly ModelMessage[]): ModelMessage[] {
  const marked = markedPlaces(messages);
  return messages
    .map(withoutEmptyText)
    .map((message, index) =>
      marked.includes(index) ? { role: message.role, content: markLast(message.content as Block[]) } : message,
    );
}

function markedPlaces(messages: readonly ModelMessage[]): number[] {
  const places: number[] = [];
  for (let index = messages.length - 1; index >= 0 && places.length < conversationBreakpoints; index -= 1) {
    const { role, content = [] } = messages[index] ?? {};
    if (role === "user" && content.some((block) => !isEmptyText(block as Block))) places.push(index);
  }
  return places;
}

/** The API may answer with an empty text block and refuses to take it back. */
function withoutEmptyText(message: ModelMessage): ModelMessage {
  const content = message.content.filter((block) => !isEmptyText(block as Block));
  return content.length === message.content.length ? message : { role: message.role, content };
}

function isEmptyText(block: Block): boolean {
  return block["type"] === "text" && block["text"] === "";
}

function markLast<T extends object>(blocks: readonly T[]): T[] {
  return blocks.map((block, index) => (index === blocks.length - 1 ? { ...block, ...breakpoint } : block));
}
