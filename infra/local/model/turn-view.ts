import { interruptedNote, summaryNote, summaryRequestNote } from "../../../shared/protocol/conversation.ts";
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
  /** The ids of all steps that are shown, or that a summary of this model speaks of. */
  stepIds: string[];
  /** A summary is asked for, and nothing else. */
  isSummary: boolean;
}

export function readTurn(messages: Message[]): TurnView {
  const start = messages.findLastIndex((message, index) => beginsTurn(message, index));
  const prompt = messages[start];
  const during = messages.slice(start + 1);
  const left = summarisedIds(messages).filter((id) => !stepIds(messages).includes(id));
  const done = left.map((): ToolStep => [{ name: "", input: {}, output: "", isError: false }]);
  return {
    prompt: prompt === undefined ? "" : sinceInterrupt(textOf(prompt.content.filter((block) => !isSummary(block)))),
    steps: [...(start === 0 ? done : []), ...stepsOf(during)],
    stepIds: [...left, ...stepIds(messages)],
    isSummary: textOf(messages.at(-1)?.content).includes(summaryRequestNote),
    steered: during
      .filter((message) => message.role === "user")
      .map((message) => textOf(message.content))
      .filter(Boolean),
    earlier: stepsOf(messages.slice(0, start + 1)),
  };
}

const summaryOf = /Rehearsal summary of the steps ([^.]*)\./;

/** What `play` says when it is asked for a summary: enough for its scripts to go on. */
export function rehearsalSummary({ stepIds: ids }: TurnView): string {
  return `Rehearsal summary of the steps ${ids.join(" ")}.`;
}

function isSummary(block: Block): boolean {
  return block.type === "text" && String(block["text"]).startsWith(summaryNote);
}

function summarisedIds(messages: Message[]): string[] {
  const summary = messages[0]?.content.find(isSummary);
  return summaryOf.exec(String(summary?.["text"]))?.[1]?.split(" ").filter(Boolean) ?? [];
}

/** A step is known by its first call. */
function stepIds(messages: Message[]): string[] {
  return messages.flatMap(({ role, content }) => {
    const call = role === "assistant" ? content.find((block) => block.type === "tool_use") : undefined;
    return call === undefined ? [] : [String(call["id"])];
  });
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
