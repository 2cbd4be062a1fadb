import type { Message } from "../../protocol/conversation.ts";
import { answerBytes } from "./columns.ts";
import type { AnsweredCall, MessageWithCalls } from "../timeline/message-page.decisions.ts";

/** Lambda answers hold 6 MB of JSON, with room for the headers. */
export const maxAnswerBytes = 5 * 1024 * 1024;

/** As many of the first as fit one answer, and at least one: that is cut where it does not fit by itself. */
export function fitting<T>(items: T[], cut: (item: T) => T = (item) => item): T[] {
  let bytes = 0;
  const sizes = items.map((item) => answerBytes(JSON.stringify(item)));
  const end = sizes.findIndex((size, index) => {
    bytes += size;
    return index > 0 && bytes > maxAnswerBytes;
  });
  const kept = end < 0 ? items : items.slice(0, end);
  return kept.map((item, index) => ((sizes[index] ?? 0) > maxAnswerBytes ? cut(item) : item));
}

function toToolCall({ call, result }: AnsweredCall): Message["tool_calls"][number] {
  const { id: call_id, name, input } = call;
  if (!result) return { call_id, name, input, result: null };
  const { seq, is_error, output, output_bytes, truncated, duration_ms } = result;
  return { call_id, name, input, result: { seq, is_error, output, output_bytes, truncated, duration_ms } };
}

/** `hidden`: what restores of the chat left out. */
export function toMessageAnswer(message: MessageWithCalls, hidden: readonly [number, number][] = []): Message {
  const isUndone = hidden.some(([after, before]) => message.seq > after && message.seq < before);
  const { message_id, seq, turn_id, user_id, role, content, calls, usage, interrupted, at } = message;
  return {
    id: message_id,
    seq,
    turn_id,
    user_id: user_id ?? null,
    role,
    content,
    tool_calls: calls.map(toToolCall),
    usage: usage ?? null,
    interrupted: interrupted ?? false,
    ...(isUndone ? { undone: true } : {}),
    created_at: new Date(at).toISOString(),
  };
}

/** The outputs are still to be had one by one. */
export function withoutOutputs(message: Message): Message {
  const tool_calls = message.tool_calls.map((call) =>
    call.result ? { ...call, result: { ...call.result, output: "", truncated: true } } : call,
  );
  return { ...message, tool_calls };
}
