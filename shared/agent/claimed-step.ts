import { tokensOf } from "../domain/budget/budget.decisions.ts";
import type { Container } from "../domain/container/container.ts";
import type { Conversation } from "../domain/conversation/conversation.ts";
import { liveEvent } from "../domain/timeline/announce.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import type { Answer, Claim } from "../domain/turn/step.decisions.ts";
import type { MeteredCall } from "../domain/usage/usage.ts";
import type { AppError } from "../errors.ts";
import type { PartialAnswer, StopReason } from "../ports/model.ts";
import type { LiveEvent } from "../protocol/server-event.ts";
import type { StepDeps } from "./step-deps.ts";
import type { EarlyRows } from "./transcript.ts";

/** A step that is this worker's. */
export interface Step {
  key: SessionKey;
  claim: Claim;
  conversation: Conversation;
  /** Null: it is still to be read. */
  log: EarlyRows | null;
  /** The launch runs beside the model: it is not on the way to the first word. */
  container: Promise<Container | null>;
  /** Why the plan allows no container, once that is known. */
  refusal(): AppError | null;
}

export interface Answered {
  answer: Answer;
  modelRequestId: string | null;
}

/** What most of the window is: room must be left for the next answer and what its calls bring. */
const mostOfWindow = 0.8;

/** What the model said, with what it cost and how it fits. */
export function toAnswered(
  deps: Pick<StepDeps, "clock" | "price" | "contextTokens">,
  { content, stopReason, usage, requestId }: PartialAnswer & { stopReason: StopReason },
  at: Pick<Answer, "message_id" | "seenHead" | "boundTo">,
): Answered {
  const { cache_write_1h_tokens: _hour, list_price: _list, ...counted } = usage;
  const cost_micro_usd = deps.price(usage, deps.clock.now());
  const fillsContext = tokensOf(counted) > mostOfWindow * (deps.contextTokens(usage.model) ?? Infinity);
  return {
    answer: { ...at, content, stopReason, fillsContext, usage: { ...counted, cost_micro_usd } },
    modelRequestId: requestId,
  };
}

/** The step as the ledger has it. */
export function meteredCall({ claim, conversation }: Step, { answer, modelRequestId }: Answered): MeteredCall {
  const { turn_id, step } = claim;
  const user_id = conversation.turn_user_id ?? "";
  return { turn_id, step, user_id, usage: answer.usage, model_request_id: modelRequestId };
}

export function usageUpdated(deps: StepDeps, { key, claim }: Step, { answer }: Answered): LiveEvent {
  const { model: _model, ...data } = answer.usage;
  return liveEvent(key, deps.clock.now(), { type: "usage.updated", data }, claim.turn_id);
}
