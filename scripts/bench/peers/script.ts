import type { ToolNaming, ToolUse } from "./contract.ts";

interface Block {
  type: string;
  text?: string;
  is_error?: boolean;
}

export interface MessagesRequest {
  model: string;
  stream?: boolean;
  tools?: { name?: string }[];
  messages: { role: string; content: string | Block[] }[];
}

export interface Answer {
  text: string;
  tool: ToolUse | null;
}

/** What the scripted model makes of a request: its answer, and what the request says of the tool calls so far. */
export interface Move {
  answer: Answer;
  /** Null for a call beside the turn: a title, a check. */
  results: { count: number; errors: number } | null;
}

const promptPattern = /bench: turn (\d+) of (\d+) tools/;
const content = "x".repeat(1023).concat("\n");

export function promptOf(turn: number, tools: number): string {
  return `bench: turn ${turn} of ${tools} tools`;
}

export function fileOf(turn: number, step: number): string {
  return `turn-${turn}-step-${step}.txt`;
}

/** Writes are the even steps. */
export function writtenFiles(turn: number, tools: number): string[] {
  return Array.from({ length: Math.ceil(tools / 2) }, (_, index) => fileOf(turn, index * 2));
}

export function moveOf(request: MessagesRequest, naming: ToolNaming, pathOf: (file: string) => string): Move {
  const blocks = request.messages.map(({ role, content: of }) => (role === "user" ? blocksOf(of) : []));
  const at = blocks.findLastIndex((each) => each.some(({ text }) => text !== undefined && promptPattern.test(text)));
  const prompt = blocks[at]?.map(({ text }) => promptPattern.exec(text ?? "")).find((match) => match !== null);
  const offered = new Set(request.tools?.map(({ name }) => name));
  if (!prompt || !offered.has(naming.run("").name)) return { answer: { text: "A bench", tool: null }, results: null };
  const [turn, tools] = [Number(prompt[1]), Number(prompt[2])];
  const results = blocks.slice(at).flatMap((each) => each.filter(({ type }) => type === "tool_result"));
  const count = results.length;
  const tool = count % 2 === 0 ? naming.write(pathOf(fileOf(turn, count)), content) : naming.run(`echo step ${count}`);
  return {
    answer: count >= tools ? { text: "All done.", tool: null } : { text: `Step ${count}. `, tool },
    results: { count, errors: results.filter((each) => each.is_error === true).length },
  };
}

function blocksOf(of: string | Block[]): Block[] {
  return typeof of === "string" ? [{ type: "text", text: of }] : of;
}
