import type { ModelRequest } from "../ports/model.ts";
import type { StepDeps } from "./step-deps.ts";
import { type Asking, transcriptOf } from "./transcript.ts";

const maxOutputTokens = 32_000;

/** What a model call is asked, and what of the session it sees. */
export interface Asked {
  request: ModelRequest;
  /** The head of the timeline. */
  seenHead: number;
  /** What stands before the transcript. */
  boundTo: string;
}

/** What the model is asked next. Throws `InvalidTranscript`. */
export async function requestOf(deps: StepDeps, step: Asking): Promise<Asked> {
  const { transcript, boundTo } = await transcriptOf(deps, step);
  const { turnModel: model, system, tools } = deps;
  return {
    request: { model, system, tools: [...tools], messages: transcript.messages(), maxTokens: maxOutputTokens },
    seenHead: transcript.head,
    boundTo,
  };
}
