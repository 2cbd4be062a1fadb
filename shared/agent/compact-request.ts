import type { ModelMessage } from "../ports/model.ts";
import { summaryNote, summaryRequestNote } from "../protocol/conversation.ts";

type Block = Record<string, unknown>;

const instruction = `${summaryRequestNote} Do not call tools and do not go on with the work: write a summary of it now, which will stand in place of all that was said above. Whoever reads it sees nothing else of it.

Use these headings:
Task: what the person wants, in their own words where those matter, with every constraint they gave.
State: what is done, what is in progress, what was checked and how, what failed.
Decisions: what was chosen and why, and what was tried and given up.
Files: which files matter, and what is in them or was changed.
Open points: what is left to do next, and questions that nobody answered.]`;

const asking = { type: "text", text: instruction };

function withInstruction(messages: ModelMessage[]): ModelMessage[] {
  const last = messages.at(-1);
  if (!last) return [];
  return [...messages.slice(0, -1), { role: last.role, content: [...last.content, asking] }];
}

const longestPiece = 8_000;
const shortestPiece = 200;

/** Head and tail of a text, with what is missing named between them. */
function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const half = Math.floor(most / 2);
  return `${text.slice(0, half)}\n[... ${text.length - 2 * half} characters left out ...]\n${text.slice(-half)}`;
}

function cutAll(value: unknown, most: number): unknown {
  if (typeof value === "string") return cut(value, most);
  if (Array.isArray(value)) return value.map((part) => cutAll(part, most));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, cutAll(part, most)]));
}

function cutBlock(block: Block, most: number): Block {
  if (block["type"] === "tool_use") return { ...block, input: cutAll(block["input"], most) };
  if (block["type"] === "tool_result") return { ...block, content: cutAll(block["content"], most) };
  const text = block["type"] === "text" ? String(block["text"]) : summaryNote;
  // A summary of before is all that there is of what it stands for; words weigh more than output.
  return text.startsWith(summaryNote) ? block : { ...block, text: cut(text, 8 * most) };
}

const isThought = ({ type }: Block) => type === "thinking" || type === "redacted_thinking";

function shortened(messages: ModelMessage[], most: number): ModelMessage[] {
  return messages.map(({ role, content }) => ({
    role,
    content: (content as Block[]).filter((block) => !isThought(block)).map((block) => cutBlock(block, most)),
  }));
}

/** The whole conversation, which the prompt cache knows, and what to do with it. */
export const wholeForSummary = withInstruction;

/** For a conversation that fits no request: every long text in it is cut, until it weighs no more than `mostCharacters`. */
export function shortForSummary(messages: ModelMessage[], mostCharacters: number): ModelMessage[] {
  let short = messages;
  for (let most = longestPiece; most >= shortestPiece; most /= 2) {
    short = shortened(messages, most);
    if (JSON.stringify(short).length <= mostCharacters) break;
  }
  return withInstruction(short);
}
