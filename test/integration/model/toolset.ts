import { betaAgentToolset20260401 } from "@anthropic-ai/sdk/tools/agent-toolset/node";
import type { AnthropicModel } from "../../../shared/adapters/model-anthropic.ts";
import type { ModelMessage } from "../../../shared/ports/model.ts";
import { ask, listen, never, request } from "./support.ts";

/** The SDK's own tools, run for real in one directory. */
export function openToolset(workdir: string, env: Record<string, string>) {
  const tools = betaAgentToolset20260401({ workdir, env });
  return {
    async run(name: string, input: unknown): Promise<{ content: string; is_error: boolean }> {
      const tool = tools.find((each) => each.name === name);
      try {
        return { content: (await tool?.run(input as never)) as string, is_error: false };
      } catch (error) {
        return { content: (error as Error).message, is_error: true };
      }
    },
    close: () => tools.forEach((tool) => (tool as { close?: () => void }).close?.()),
  };
}

export interface PlayedTurn {
  /** Names of the tools called, step by step. */
  steps: string[][];
  outputs: string[];
  /** All that was said as text, and all as thinking. */
  text: string;
  thinking: string;
  last: string;
}

/** The smallest agent loop: prompt, model, tools, until the model is done. Goes on in `messages`. */
export async function playTurn(
  model: AnthropicModel,
  toolset: ReturnType<typeof openToolset>,
  messages: ModelMessage[],
  prompt: string,
): Promise<PlayedTurn> {
  const turn: PlayedTurn = { steps: [], outputs: [], text: "", thinking: "", last: "" };
  messages.push(ask(prompt));
  for (;;) {
    const { completed } = await listen(model.stream(request(messages), never));
    // As if every step ran in another process: the transcript is all that is left of the one before.
    messages.push({ role: "assistant", content: JSON.parse(JSON.stringify(completed.content)) as unknown[] });
    for (const block of completed.content) {
      if (block.type === "text") turn.text += turn.last = block.text;
      if (block.type === "thinking") turn.thinking += block.thinking;
    }
    const calls = completed.content.filter((block) => block.type === "tool_use");
    if (completed.stopReason !== "tool_use") return turn;
    turn.steps.push(calls.map((call) => call.name));
    const results: unknown[] = [];
    for (const call of calls) {
      const result = await toolset.run(call.name, call.input);
      turn.outputs.push(result.content);
      results.push({ type: "tool_result", tool_use_id: call.id, ...result });
    }
    messages.push({ role: "user", content: results });
  }
}
