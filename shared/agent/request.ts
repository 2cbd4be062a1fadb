import type { SessionKey } from "../domain/timeline/row.ts";
import { readTimeline } from "../domain/timeline/timeline.ts";
import { buildTranscript } from "../domain/turn/transcript.ts";
import type { ModelRequest } from "../ports/model.ts";
import type { StepDeps } from "./step-deps.ts";

const maxOutputTokens = 32_000;

/** What the model is asked next, and how much of the timeline that shows it. Throws `InvalidTranscript`. */
export async function requestOf(deps: StepDeps, key: SessionKey): Promise<{ request: ModelRequest; seenHead: number }> {
  const { rows: log } = await readTimeline(deps, key, { after: 0 });
  const messages = buildTranscript(log, deps.turnModel);
  const { turnModel: model, system, tools } = deps;
  return {
    request: { model, system, tools: [...tools], messages, maxTokens: maxOutputTokens },
    seenHead: log.at(-1)?.seq ?? 0,
  };
}
