import { type ContentBlock, toolUses } from "../../protocol/content.ts";
import type { ModelMessage } from "../../ports/model.ts";
import { interruptedNote } from "../../protocol/conversation.ts";
import { maxToolCallsPerStep } from "../../protocol/limits.ts";
import type { MessageRow, TimelineRow } from "../timeline/row.ts";
import { tooManyCalls } from "./step.decisions.ts";

type StoredMessage = MessageRow & { seq: number };

/** What stands between two answers of one turn, where the first one paused and nobody said anything. */
const goOn: ContentBlock[] = [{ type: "text", text: "Go on." }];

/** The model learns that it was stopped, or it would take up again what the user did not want. */
const stopped: ContentBlock[] = [{ type: "text", text: interruptedNote }];

interface TurnRows {
  users: StoredMessage[];
  assistants: StoredMessage[];
  isInterrupted: boolean;
}

interface ToolResult {
  output: string;
  is_error: boolean;
}

function gather(log: TimelineRow[]) {
  const turns = new Map<string, TurnRows>();
  const results = new Map<string, ToolResult>();
  const begun: string[] = [];
  for (const row of log) {
    if (row.kind === "event") {
      const turn = row.turn_id ? turns.get(row.turn_id) : undefined;
      if (row.type === "tool.completed") results.set(row.data.call_id, row.data);
      if (row.type === "turn.started" && row.turn_id) begun.push(row.turn_id);
      if (row.type === "turn.ended" && turn) turn.isInterrupted = row.data.reason === "interrupted";
    }
    if (row.kind !== "message" || row.role === "system") continue;
    const turn = turns.get(row.turn_id) ?? { users: [], assistants: [], isInterrupted: false };
    (row.role === "user" ? turn.users : turn.assistants).push(row);
    turns.set(row.turn_id, turn);
  }
  return { turns, results, begun };
}

/** A thinking block is bound to the model that wrote it: another model must not see it. */
function keptFor(model: string, row: StoredMessage): ContentBlock[] {
  if (row.usage?.model === model) return row.content;
  return row.content.filter((block) => block.type !== "thinking" && block.type !== "redacted_thinking");
}

function resultBlocks(row: StoredMessage, results: Map<string, ToolResult>) {
  return toolUses(row.content).map((call, index) => {
    const isRefused = index >= maxToolCallsPerStep;
    const result = results.get(call.id) ?? (isRefused ? { output: tooManyCalls, is_error: true } : undefined);
    if (!result) throw new InvalidTranscript(`tool call ${call.id} has no result`);
    const content = result.output === "" ? "(no output)" : result.output;
    return { type: "tool_result", tool_use_id: call.id, content, is_error: result.is_error };
  });
}

/** The log can not be sent: a call without its result would poison every later request. */
export class InvalidTranscript extends Error {}

function turnMessages(turn: TurnRows, results: Map<string, ToolResult>, model: string): ModelMessage[] {
  const messages: ModelMessage[] = [];
  const say = (role: ModelMessage["role"], content: unknown[]) => {
    if (content.length === 0) return;
    const last = messages.at(-1);
    if (last?.role === role) last.content.push(...content);
    else messages.push({ role, content: [...content] });
  };
  let waiting = turn.users;
  for (const assistant of turn.assistants) {
    // What the model had not seen when it answered stands after its answer, so that the prefix stays as it was sent.
    const seen = waiting.filter((user) => user.seq <= (assistant.seen_head ?? assistant.seq));
    waiting = waiting.filter((user) => !seen.includes(user));
    for (const user of seen) say("user", user.content);
    if (messages.at(-1)?.role === "assistant") say("user", goOn);
    say("assistant", keptFor(model, assistant));
    say("user", resultBlocks(assistant, results));
  }
  for (const user of waiting) say("user", user.content);
  if (turn.isInterrupted) say("user", stopped);
  return messages;
}

/**
 * The conversation as the model API takes it: turns in the order in which they began, each a stable prefix of the next
 * request. Prompts that still wait in the queue are not in it. Throws `InvalidTranscript`.
 */
export function buildTranscript(log: TimelineRow[], model: string): ModelMessage[] {
  const { turns, results, begun } = gather(log);
  const messages: ModelMessage[] = [];
  for (const turnId of begun) {
    const turn = turns.get(turnId);
    if (!turn) continue;
    for (const message of turnMessages(turn, results, model)) {
      const last = messages.at(-1);
      if (last?.role === message.role) last.content.push(...message.content);
      else messages.push(message);
    }
  }
  // The running turn's last answer paused.
  if (messages.at(-1)?.role === "assistant") messages.push({ role: "user", content: [...goOn] });
  if (messages.at(-1)?.role !== "user") throw new InvalidTranscript("the last message is not the user's");
  return messages;
}
