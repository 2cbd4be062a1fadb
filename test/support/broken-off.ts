import { ModelFailure, type ModelEvent, type PartialAnswer } from "../../shared/ports/model.ts";
import type { ContentBlock } from "../../shared/protocol/content.ts";
import { usage } from "./engine.ts";

/** What the API has counted of an answer that is broken off: the prompt, and a word. */
export const countedSoFar = { ...usage, output_tokens: 1 };

/**
 * A model that speaks until it is stopped: says `content`, and then nothing until its caller leaves. With null the answer
 * never begins. `spoken` resolves once it waits.
 */
export function endlessAnswer(content: ContentBlock[] | null) {
  let tell: () => void = () => undefined;
  const spoken = new Promise<void>((resolve) => {
    tell = resolve;
  });
  async function* answer(_request: unknown, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    for (const [index, block] of (content ?? []).entries()) {
      if (block.type === "text") yield { type: "delta", block: "text", index, text: block.text };
    }
    tell();
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const failure = new ModelFailure("broken_stream", "the call was aborted");
    const partial: PartialAnswer | null = content && { content, usage: countedSoFar, requestId: "req_1" };
    failure.partial = partial;
    throw failure;
  }
  return { answer, spoken };
}
