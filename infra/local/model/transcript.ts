import { invalid } from "./problem.ts";
import type { Block, Message } from "./request.ts";
import { isThinking } from "./signatures.ts";

type Json = Record<string, unknown>;

const blockTypes = {
  user: new Set(["text", "image", "document", "search_result", "tool_result"]),
  assistant: new Set(["text", "thinking", "redacted_thinking", "tool_use"]),
} as const;

const blockFields: Readonly<Record<string, readonly string[]>> = {
  text: ["text", "citations", "cache_control"],
  thinking: ["thinking", "signature", "cache_control"],
  redacted_thinking: ["data", "cache_control"],
  tool_use: ["id", "name", "input", "caller", "toolset_name", "cache_control"],
  tool_result: ["tool_use_id", "content", "is_error", "toolset_name", "cache_control"],
};

/**
 * The transcript as the API wants it: roles alternate and begin and end with the user, every tool call is answered
 * first thing in the next message, once. (The API would join two messages of one role; here that is refused, because
 * an engine that sends them has lost count.)
 */
export function parseMessages(value: unknown): Message[] {
  if (!Array.isArray(value)) throw invalid("messages: Field required");
  if (value.length === 0) throw invalid("messages: at least one message is required");
  const messages = value.map(parseMessage);
  messages.forEach((message, index) => {
    const expected = index % 2 === 0 ? "user" : "assistant";
    if (message.role !== expected) throw invalid(`messages.${index}: roles must alternate, expected "${expected}"`);
  });
  if (messages.length % 2 === 0) {
    throw invalid(
      "This model does not support assistant message prefill. The conversation must end with a user message.",
    );
  }
  checkToolPairs(messages);
  return messages;
}

function parseMessage(value: unknown, index: number): Message {
  const at = `messages.${index}`;
  if (!isObject(value)) throw invalid(`${at}: Input should be an object`);
  const { role, content: given, ...extra } = value;
  const extraName = Object.keys(extra)[0];
  if (extraName !== undefined) throw invalid(`${at}.${extraName}: Extra inputs are not permitted`);
  if (role !== "user" && role !== "assistant") throw invalid(`${at}.role: Input should be 'user' or 'assistant'`);
  const blocks: unknown = typeof given === "string" ? [{ type: "text", text: given }] : given;
  if (!Array.isArray(blocks)) throw invalid(`${at}.content: Input should be a string or a list of blocks`);
  if (blocks.length === 0) throw invalid(`${at}: all messages must have non-empty content`);
  const content = blocks.map((block: unknown, place) => parseBlock(block, role, `${at}.content.${place}`));
  const last = content.at(-1);
  if (role === "assistant" && last && isThinking(last))
    throw invalid(`${at}.content: The final block in an assistant message cannot be \`${last.type}\``);
  return { role, content };
}

function parseBlock(block: unknown, role: Message["role"], at: string): Block {
  if (!isObject(block) || typeof block["type"] !== "string") throw invalid(`${at}.type: Field required`);
  const type = block["type"];
  if (!blockTypes[role].has(type)) throw invalid(`${at}: a \`${type}\` block is not permitted in a ${role} message`);
  const known = blockFields[type];
  const extra = known && Object.keys(block).find((name) => name !== "type" && !known.includes(name));
  if (extra !== undefined) throw invalid(`${at}.${type}.${extra}: Extra inputs are not permitted`);
  checkFields(block, type, role, at);
  return block as Block;
}

function checkFields(block: Json, type: string, role: Message["role"], at: string): void {
  const requireText = (name: string) => {
    if (typeof block[name] !== "string") throw invalid(`${at}.${type}.${name}: Field required`);
  };
  switch (type) {
    case "text":
      requireText("text");
      if (block["text"] === "") throw invalid(`${at}: text content blocks must be non-empty`);
      if (String(block["text"]).trim() === "") {
        throw invalid(`${at}: text content blocks must contain non-whitespace text`);
      }
      if (role === "user" && Array.isArray(block["citations"]) && block["citations"].length > 0) {
        throw invalid(`${at}.text.citations: citations are not permitted on user text`);
      }
      return;
    case "thinking":
      requireText("thinking");
      requireText("signature");
      return;
    case "redacted_thinking":
      requireText("data");
      return;
    case "tool_use":
      requireText("id");
      requireText("name");
      if (!/^[a-zA-Z0-9_-]+$/.test(String(block["id"]))) throw invalid(`${at}.tool_use.id: invalid pattern`);
      if (!isObject(block["input"])) throw invalid(`${at}.tool_use.input: Input should be a valid dictionary`);
      return;
    case "tool_result":
      requireText("tool_use_id");
      checkResultContent(block["content"], `${at}.tool_result.content`);
      return;
    default:
  }
}

function checkResultContent(content: unknown, at: string): void {
  if (content === undefined || typeof content === "string") return;
  if (!Array.isArray(content)) throw invalid(`${at}: Input should be a string or a list of blocks`);
  content.forEach((block: unknown, index) => {
    const type = isObject(block) ? block["type"] : undefined;
    if (type !== "text" && type !== "image" && type !== "document" && type !== "search_result") {
      throw invalid(`${at}.${index}: a \`${String(type)}\` block is not permitted in a tool result`);
    }
  });
}

function checkToolPairs(messages: Message[]): void {
  const seen = new Set<string>();
  messages.forEach((message, index) => {
    const calls = message.role === "assistant" ? idsOf(message, "tool_use", "id") : [];
    for (const id of calls) {
      if (seen.has(id)) throw invalid(`messages.${index}: \`tool_use\` ids must be unique`);
      seen.add(id);
    }
    const next = messages[index + 1];
    if (calls.length > 0 && next !== undefined) checkResults(calls, next, index + 1);
    if (message.role === "user") checkNoStrayResults(messages[index - 1], message, index);
  });
}

function checkResults(calls: string[], message: Message, index: number): void {
  const results = idsOf(message, "tool_result", "tool_use_id");
  const missing = calls.filter((id) => !results.includes(id));
  if (missing.length > 0) {
    throw invalid(
      `messages.${index - 1}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${missing.join(", ")}. ` +
        "Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
    );
  }
  const firstOther = message.content.findIndex((block) => block.type !== "tool_result");
  const lastResult = message.content.findLastIndex((block) => block.type === "tool_result");
  if (firstOther !== -1 && firstOther < lastResult) {
    throw invalid(`messages.${index}: \`tool_result\` blocks must come before all other content of the message`);
  }
}

function checkNoStrayResults(previous: Message | undefined, message: Message, index: number): void {
  const calls = previous === undefined ? [] : idsOf(previous, "tool_use", "id");
  const answered = new Set<string>();
  for (const id of idsOf(message, "tool_result", "tool_use_id")) {
    if (!calls.includes(id)) {
      throw invalid(`messages.${index}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}.`);
    }
    if (answered.has(id))
      throw invalid(`messages.${index}: each tool_use must have a single result. Found multiple: ${id}.`);
    answered.add(id);
  }
}

function idsOf(message: Message, type: string, field: string): string[] {
  return message.content.filter((block) => block.type === type).map((block) => String(block[field]));
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
