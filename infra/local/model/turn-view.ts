import { interruptedNote } from "../../../shared/protocol/conversation.ts";
import { textOf, type Block, type Message } from "./request.ts";

export interface ToolOutcome {
  name: string;
  input: Record<string, unknown>;
  output: string;
  isError: boolean;
}

/** One answer with tool calls, and what came of them. */
export type ToolStep = ToolOutcome[];

/** The running turn as the transcript shows it: all that a script may look at. */
export interface TurnView {
  prompt: string;
  steps: ToolStep[];
  /** What the person said while tools ran. */
  steered: string[];
  /** Steps of the turns before. */
  earlier: ToolStep[];
}

export function readTurn(messages: Message[]): TurnView {
  const start = messages.findLastIndex((message, index) => beginsTurn(message, index));
  const prompt = messages[start];
  const during = messages.slice(start + 1);
  return {
    prompt: prompt === undefined ? "" : sinceInterrupt(textOf(prompt.content)),
    steps: stepsOf(during),
    steered: during
      .filter((message) => message.role === "user")
      .map((message) => textOf(message.content))
      .filter(Boolean),
    earlier: stepsOf(messages.slice(0, start + 1)),
  };
}

/** What a turn that was broken off was asked is over with it. */
function sinceInterrupt(text: string): string {
  const at = text.lastIndexOf(interruptedNote);
  return at < 0 ? text : text.slice(at + interruptedNote.length).trimStart();
}

/**
 * Text beside tool results is either said in between, or a new prompt after a turn that was broken off: then all the
 * results are errors that somebody made up for it. A directive always begins a turn.
 */
function beginsTurn(message: Message, index: number): boolean {
  if (message.role !== "user") return false;
  const text = textOf(message.content);
  const results = message.content.filter((block) => block.type === "tool_result");
  if (index === 0 || results.length === 0) return true;
  if (text === "") return false;
  return (
    /rehearsal:/i.test(text) || text.includes(interruptedNote) || results.every((block) => block["is_error"] === true)
  );
}

function stepsOf(messages: Message[]): ToolStep[] {
  return messages.flatMap((message, index) => {
    if (message.role !== "assistant") return [];
    const calls = message.content.filter((block) => block.type === "tool_use");
    const results = messages[index + 1]?.content ?? [];
    return calls.length === 0 ? [] : [calls.map((call) => outcomeOf(call, results))];
  });
}

function outcomeOf(call: Block, results: Block[]): ToolOutcome {
  const result = results.find((block) => block.type === "tool_result" && block["tool_use_id"] === call["id"]);
  return {
    name: String(call["name"]),
    input: call["input"] as Record<string, unknown>,
    output: textOf(result?.["content"]),
    isError: result?.["is_error"] === true,
  };
}
