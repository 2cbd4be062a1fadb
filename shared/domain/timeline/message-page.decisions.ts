import { toolUses, type MessageRole, type ToolUseBlock } from "../../protocol/content.ts";
import { maxToolCallsPerStep } from "../../protocol/limits.ts";
import { tooManyCalls } from "../tool-call/route.decisions.ts";
import type { EventRow, TimelineRow } from "./row.ts";
import type { ReadMessage, StoredRow } from "./timeline.ts";

type CompletedData = Extract<EventRow, { type: "tool.completed" }>["data"];

/** A call's result and its place on the log; null where the model asked for more calls than fit one step. */
export type FoundResult = CompletedData & { seq: number | null };

export interface AnsweredCall {
  call: ToolUseBlock;
  /** Null while the call is pending. */
  result: FoundResult | null;
}

export type MessageWithCalls = ReadMessage & { calls: AnsweredCall[] };

type StoredMessageRow = Extract<StoredRow, { kind: "message" }>;

/** The first `limit` messages of a role (null: of any) among rows that were read in either order. */
export function messagesAmong(rows: StoredRow[], limit: number, role: MessageRole | null): StoredMessageRow[] {
  const messages = rows.filter((row) => row.kind === "message");
  return messages.filter(({ stored }) => role === null || stored.role === role).slice(0, limit);
}

/** The results among the rows, by the ids of their calls. */
export function resultsAmong(rows: (StoredRow | TimelineRow)[]): Map<string, FoundResult> {
  const results = new Map<string, FoundResult>();
  for (const row of rows) {
    if (row.kind === "event" && row.type === "tool.completed")
      results.set(row.data.call_id, { ...row.data, seq: row.seq });
  }
  return results;
}

function refused(call: ToolUseBlock): FoundResult {
  return {
    seq: null,
    call_id: call.id,
    name: call.name,
    is_error: true,
    output: tooManyCalls,
    output_bytes: tooManyCalls.length,
    truncated: false,
    object_key: null,
    duration_ms: null,
  };
}

/** The message's calls in its order, with what is known of their results. */
export function withCalls(message: ReadMessage, results: Map<string, FoundResult>): MessageWithCalls {
  const calls = toolUses(message.content).map((call, index) => {
    const result = results.get(call.id) ?? (index >= maxToolCallsPerStep ? refused(call) : null);
    return { call, result };
  });
  return { ...message, calls };
}

/**
 * The answer whose results may lie outside of the rows that were read. It can only be the newest: the model answers
 * again when all results of its last answer are there.
 */
export function unanswered(messages: MessageWithCalls[]): MessageWithCalls | null {
  const [newest] = messages.filter(({ role }) => role === "assistant").toSorted((a, b) => b.seq - a.seq);
  return newest?.calls.some(({ result }) => result === null) ? newest : null;
}

/** The results of a message end where the model answers again. */
export function isNextAnswer(row: StoredRow): boolean {
  return row.kind === "message" && row.stored.role === "assistant";
}
