import { ModelFailure, type Model, type ModelEvent, type ModelRequest } from "../../../shared/ports/model.ts";
import type { ContentBlock } from "../../../shared/protocol/content.ts";

export interface ChattyOptions {
  random: () => number;
  sleep(ms: number): Promise<void>;
  /** Share of the answers that break off in the middle, to be asked for again. */
  failing: number;
}

const usage = {
  model: "rehearsal",
  input_tokens: 100,
  output_tokens: 20,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
};
/** Characters of one to four bytes, and halves of pairs where a piece ends in one. */
const words = ["plain ", "größer ", "木の葉 ", "🌳🌲 ", "naïve ", "\n", "and so on "];

function textOf(random: () => number, pieces: number): string[] {
  return Array.from({ length: pieces }, () => words[Math.floor(random() * words.length)] ?? "");
}

function isAfterTools({ messages }: ModelRequest): boolean {
  const blocks = (messages.at(-1)?.content ?? []) as { type?: string }[];
  return blocks.some(({ type }) => type === "tool_result");
}

/** Thinks, talks, calls two tools, and talks again; now and then it breaks off. */
export function chattyModel({ random, sleep, failing }: ChattyOptions): Model {
  let answers = 0;
  return {
    async *stream(request, signal): AsyncGenerator<ModelEvent> {
      answers += 1;
      const id = answers;
      const blocks = [textOf(random, 4), textOf(random, 14)];
      const breaksAt = random() < failing ? Math.floor(random() * 18) : Infinity;
      const content: ContentBlock[] = [
        { type: "thinking", thinking: (blocks[0] ?? []).join(""), signature: `signed-${id}` },
        { type: "text", text: (blocks[1] ?? []).join("") },
      ];
      const said = ["", ""];
      let pieces = 0;
      for (const [index, block] of blocks.entries()) {
        for (const text of block) {
          await sleep(60);
          pieces += 1;
          if (signal.aborted) throw brokenOff(said, id);
          if (pieces > breaksAt) throw new ModelFailure("overloaded", "scripted", { retryAfterMs: 1000 });
          said[index] += text;
          yield { type: "delta", block: index === 0 ? "thinking" : "text", index, text };
        }
      }
      if (isAfterTools(request)) {
        yield { type: "completed", content, stopReason: "end_turn", usage, requestId: null };
        return;
      }
      const calls = [1, 2].map((call) => {
        return { type: "tool_use" as const, id: `toolu_${id}_${call}`, name: "bash", input: { command: "true" } };
      });
      const whole = [...content, ...calls];
      yield { type: "completed", content: whole, stopReason: "tool_use", usage, requestId: null };
    },
  };
}

function brokenOff([thinking = "", text = ""]: string[], id: number): ModelFailure {
  const failure = new ModelFailure("broken_stream", "aborted");
  const content: ContentBlock[] = text === "" ? [] : [{ type: "thinking", thinking, signature: `signed-${id}` }];
  if (text !== "") content.push({ type: "text", text });
  failure.partial = content.length === 0 ? null : { content, usage, requestId: null };
  return failure;
}
