import type { MessageRole } from "../../protocol/content.ts";

export interface FirstMessage {
  role: Exclude<MessageRole, "system">;
  text: string;
}

function textOf(content: unknown): string | null {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return null;
  const texts = content.map((block: unknown) => {
    const text = typeof block === "object" && block !== null && "text" in block ? block.text : null;
    return typeof text === "string" ? text : null;
  });
  return texts.every((text) => text !== null) && texts.length > 0 ? texts.join("\n") : null;
}

function one(value: unknown): FirstMessage | null {
  if (typeof value !== "object" || value === null || !("content" in value)) return null;
  const role = "role" in value ? value.role : "user";
  const text = textOf(value.content);
  if (text === null || text.trim() === "" || (role !== "user" && role !== "assistant")) return null;
  return { role, text };
}

/**
 * The prompt that a new session's `messages` holds: an object with `content`, or a list of role and content. Any other
 * JSON is only stored. A list is a conversation from its first user message on.
 */
export function firstMessages(messages: unknown): FirstMessage[] {
  if (!Array.isArray(messages)) {
    const single = one(messages);
    return single?.role === "user" ? [single] : [];
  }
  const all = messages.map(one);
  const valid = all.filter((message) => message !== null);
  if (valid.length !== all.length) return [];
  const start = valid.findIndex((message) => message.role === "user");
  return start < 0 ? [] : valid.slice(start);
}
