import { transition } from "../domain/conversation/conversation.ts";
import { announceLive } from "../domain/timeline/announce.ts";
import { failStep, postponeStep } from "../domain/turn/step.decisions.ts";
import { InvalidTranscript } from "../domain/turn/transcript.ts";
import { wake } from "../domain/turn/turn.ts";
import { ModelFailure } from "../ports/model.ts";
import type { ErrorCode } from "../protocol/error-code.ts";
import type { Step } from "./claimed-step.ts";
import { endBy } from "./finish.ts";
import type { StepDeps } from "./step-deps.ts";
import { LeaseLost } from "./stream-answer.ts";

/** Without a `retry-after`. */
const defaultRetryMs = 5_000;

const failureCodes: Record<"rejected" | "unauthorized" | "payment", { code: ErrorCode; message: string }> = {
  rejected: { code: "model_rejected", message: "The model refused the request" },
  unauthorized: { code: "model_unavailable", message: "The platform's model key was refused" },
  payment: { code: "model_unavailable", message: "The platform's spending limit at the model's provider is reached" },
};

const modelIsDown = { code: "model_unavailable" as const, message: "The model did not answer for 15 minutes" };

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

/** What follows where the step has no answer. */
export async function recover(deps: StepDeps, step: Step, error: unknown, hops: number): Promise<void> {
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
