import type { ModelMessage } from "../../ports/model.ts";

type Block = Record<string, unknown>;

const idsOf = (blocks: Block[], type: string, field: string) =>
  blocks.filter((block) => block["type"] === type).map((block) => String(block[field]));
const isThought = (block: Block | undefined) =>
  block?.["type"] === "thinking" || block?.["type"] === "redacted_thinking";
const isResult = (block: Block) => block["type"] === "tool_result";
const isBlank = (block: Block) => block["type"] === "text" && String(block["text"]).trim() === "";

function ofContent(blocks: Block[], role: string): string | null {
  if (blocks.length === 0) return "has no content";
  if (blocks.some(isBlank)) return "has an empty text";
  if (role === "user" && blocks.some(isThought)) return "has a thought of the user";
  if (role === "assistant" && isThought(blocks.at(-1))) return "ends with a thought";
  return null;
}

/** Every call of the answer before has one result here, first of all, and there is no other. */
function ofResults(before: Block[], blocks: Block[]): string | null {
  const calls = idsOf(before, "tool_use", "id");
  const results = idsOf(blocks, "tool_result", "tool_use_id");
  if (new Set(calls).size < calls.length) return "follows two calls with one id";
  if (calls.length !== results.length || calls.some((id) => !results.includes(id))) return "does not answer the calls";
  return blocks.findLastIndex(isResult) >= results.length ? "has a result behind something else" : null;
}

function problemOf(messages: readonly ModelMessage[], index: number): string | null {
  const { role = "", content = [] } = messages[index] ?? {};
  const blocks = content as Block[];
  if (role !== (index % 2 === 0 ? "user" : "assistant")) return "is out of turn";
  const before = (messages[index - 1]?.content ?? []) as Block[];
  return ofContent(blocks, role) ?? (role === "user" ? ofResults(before, blocks) : null);
}

/** Why the model API would refuse these messages, from one on; those before it were looked at. */
export function problemsOf(messages: readonly ModelMessage[], from = 0): string[] {
  const problems = messages
    .slice(from)
    .map((_, index) => ({ index: from + index, problem: problemOf(messages, from + index) }))
    .filter(({ problem }) => problem !== null)
    .map(({ index, problem }) => `message ${index} ${problem}`);
  return messages.at(-1)?.role === "user" ? problems : [...problems, "the last message is not the user's"];
}
