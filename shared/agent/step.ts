import { subscribersOf } from "../domain/connection/connection.ts";
import { ensureContainer } from "../domain/container/container.ts";
import { transition, type Conversation } from "../domain/conversation/conversation.ts";
import { announceLive } from "../domain/timeline/announce.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { readTimeline } from "../domain/timeline/timeline.ts";
import { keptOfPartial } from "../domain/turn/partial.decisions.ts";
import { buildTranscript, InvalidTranscript } from "../domain/turn/transcript.ts";
import { failStep, postponeStep, type Claim } from "../domain/turn/step.decisions.ts";
import { wake } from "../domain/turn/turn.ts";
import { AppError } from "../errors.ts";
import { ModelFailure, type ModelRequest, type PartialAnswer, type StopReason } from "../ports/model.ts";
import type { ErrorCode } from "../protocol/error-code.ts";
import { idPrefixes } from "../protocol/ids.ts";
import { claimNext } from "./claim.ts";
import type { Answered, Step } from "./claimed-step.ts";
import { conclude } from "./commit.ts";
import { concludeCut } from "./cut.ts";
import { endBy } from "./finish.ts";
import type { StepDeps } from "./step-deps.ts";
import { LeaseLost, streamAnswer } from "./stream-answer.ts";

const maxOutputTokens = 32_000;
/** Without a `retry-after`. */
const defaultRetryMs = 5_000;

const failureCodes: Record<"rejected" | "unauthorized" | "payment", { code: ErrorCode; message: string }> = {
  rejected: { code: "model_rejected", message: "The model refused the request" },
  unauthorized: { code: "model_unavailable", message: "The platform's model key was refused" },
  payment: { code: "model_unavailable", message: "The platform's spending limit at the model's provider is reached" },
};

const modelIsDown = { code: "model_unavailable" as const, message: "The model did not answer for 15 minutes" };

async function requestOf(deps: StepDeps, key: SessionKey): Promise<{ request: ModelRequest; seenHead: number }> {
  const { rows: log } = await readTimeline(deps, key, { after: 0 });
  const messages = buildTranscript(log, deps.turnModel);
  const { turnModel: model, system, tools } = deps;
  return {
    request: { model, system, tools: [...tools], messages, maxTokens: maxOutputTokens },
    seenHead: log.at(-1)?.seq ?? 0,
  };
}

/** One answer, or what there was of it. */
type Heard = { kind: "whole"; answered: Answered } | { kind: "cut"; answered: Answered | null };

async function ask(deps: StepDeps, step: Step): Promise<Heard> {
  const { key, claim } = step;
  const [{ request, seenHead }, watchers] = await Promise.all([requestOf(deps, key), subscribersOf(deps, key)]);
  const messageId = deps.ids.next(idPrefixes.message);
  const heard = await streamAnswer(deps, request, { key, claim, messageId, watchers });
  const at = { messageId, seenHead };
  if (heard.kind === "completed") return { kind: "whole", answered: toAnswered(deps, heard.completed, at) };
  const { partial } = heard;
  if (!partial) return { kind: "cut", answered: null };
  const said = { ...partial, content: keptOfPartial(partial.content), stopReason: "end_turn" as const };
  return { kind: "cut", answered: toAnswered(deps, said, at) };
}

function toAnswered(
  deps: StepDeps,
  said: PartialAnswer & { stopReason: StopReason },
  { messageId: message_id, seenHead }: { messageId: string; seenHead: number },
): Answered {
  const { content, stopReason, usage, requestId } = said;
  const { cache_write_1h_tokens: _hour, list_price: _list, ...counted } = usage;
  const cost_micro_usd = deps.price(usage, deps.clock.now());
  return {
    answer: { message_id, content, stopReason, seenHead, usage: { ...counted, cost_micro_usd } },
    modelRequestId: requestId,
  };
}

/** The model can not answer the step at all. */
async function giveUp(
  deps: StepDeps,
  { key, claim }: Pick<Step, "key" | "claim">,
  error: { code: ErrorCode; message: string },
  hops: number,
): Promise<void> {
  await endBy(deps, key, hops, (current, hasWorkspace, now) => failStep(current, claim, error, hasWorkspace, now));
}

async function postpone(deps: StepDeps, { key, claim }: Step, failure: ModelFailure, hops: number): Promise<void> {
  const delayMs = Math.min(failure.retryAfterMs ?? defaultRetryMs * (0.5 + deps.ids.random()), 900_000);
  const outcome = await transition(deps, key, (current, now) => postponeStep(current, claim, delayMs, now));
  if (outcome.kind === "declined") return giveUp(deps, { key, claim }, modelIsDown, hops);
  if (outcome.kind !== "committed") return;
  const waiting = { type: "model.waiting" as const, data: { code: failure.kind, retry_after_ms: Math.round(delayMs) } };
  await announceLive(deps, key, waiting, claim.turn_id);
  await wake(deps, key, Math.ceil(delayMs / 1000), hops + 1);
}

async function recover(deps: StepDeps, step: Step, error: unknown, hops: number): Promise<void> {
  const fields = { ...step.key, turn_id: step.claim.turn_id, step: step.claim.step };
  if (error instanceof LeaseLost) return deps.log.warn("step taken over", fields);
  if (error instanceof InvalidTranscript) {
    deps.log.error("transcript is not sendable", { ...fields, error: error.message });
    return giveUp(deps, step, { code: "internal", message: "The conversation is damaged" }, hops);
  }
  if (!(error instanceof ModelFailure)) throw error;
  deps.log.warn("model failed", { ...fields, code: error.kind, error: error.message });
  if (error.kind === "overloaded" || error.kind === "broken_stream") return postpone(deps, step, error, hops);
  await giveUp(deps, step, failureCodes[error.kind], hops);
}

/**
 * One step: claim it, stream one model call, commit it whole, hand out its calls, end. Everything that was not
 * committed is repeated by the next worker; nothing that was is.
 */
export async function runStep(
  deps: StepDeps,
  key: SessionKey,
  conversation: Conversation,
  hops: number,
): Promise<void> {
  const claimed = await claimNext(deps, key, conversation, hops);
  if (!claimed) return;
  const { turn_id = "", step: number, fence } = claimed;
  let refusal: AppError | null = null;
  const container = ensureContainer(deps, key).catch((error: unknown) => {
    if (error instanceof AppError && error.code === "quota_exceeded") refusal = error;
    deps.log.warn("no container", { ...key, turn_id, error: error instanceof Error ? error.message : String(error) });
    return null;
  });
  const claim: Claim = { turn_id, step: number, fence };
  const step: Step = { key, claim, conversation: claimed, container, refusal: () => refusal };
  try {
    const heard = await ask(deps, step);
    if (heard.kind === "cut") await concludeCut(deps, step, heard.answered, hops);
    else await conclude(deps, step, heard.answered, hops);
  } catch (error) {
    await recover(deps, step, error, hops);
  }
}
