import { AnthropicModel, type AnthropicModelOptions } from "../../../shared/adapters/model-anthropic.ts";
import { agentTools } from "../../../shared/agent/tools.ts";
import { systemPrompt } from "../../../shared/agent/system-prompt.ts";
import { instant } from "../../../infra/local/model/answer.ts";
import { startRehearsalModel, type RehearsalModel, type RehearsalOptions } from "../../../infra/local/model/server.ts";
import { ModelFailure, type ModelEvent, type ModelMessage, type ModelRequest } from "../../../shared/ports/model.ts";

export const never = new AbortController().signal;

export const ask = (text: string): ModelMessage => ({ role: "user", content: [{ type: "text", text }] });

export function request(messages: ModelMessage[], model = "rehearsal"): ModelRequest {
  return { model, system: systemPrompt, tools: [...agentTools], messages, maxTokens: 32_000 };
}

export type Completed = Extract<ModelEvent, { type: "completed" }>;

export interface Heard {
  deltas: Extract<ModelEvent, { type: "delta" }>[];
  completed: Completed;
}

export async function listen(events: AsyncIterable<ModelEvent>): Promise<Heard> {
  const all: ModelEvent[] = [];
  for await (const event of events) all.push(event);
  const completed = all.filter((event) => event.type === "completed");
  if (completed.length !== 1 || all.at(-1) !== completed[0]) throw new Error("completed must come once, at the end");
  return { deltas: all.filter((event) => event.type === "delta"), completed: completed[0] as Completed };
}

/** The failure of a call, or an error if it did not fail so. */
export async function failureOf(events: AsyncIterable<ModelEvent>): Promise<ModelFailure> {
  try {
    await listen(events);
  } catch (error) {
    if (error instanceof ModelFailure) return error;
    throw error;
  }
  throw new Error("the call did not fail");
}

export async function stage(
  options: Partial<RehearsalOptions> = {},
  adapter: Partial<AnthropicModelOptions> = {},
): Promise<{ server: RehearsalModel; model: AnthropicModel }> {
  const server = await startRehearsalModel({ port: 0, pace: instant, ...options });
  const model = new AnthropicModel({ apiKey: async () => "test-key", baseUrl: server.url, ...adapter });
  return { server, model };
}
