import { tokensOf } from "../domain/budget/budget.decisions.ts";
import { transition } from "../domain/conversation/conversation.ts";
import { announceLive } from "../domain/timeline/announce.ts";
import { outOfTries, postponeStep, type Postponed, type Setback } from "../domain/turn/postpone.decisions.ts";
import { failStep, type StepFailure } from "../domain/turn/step.decisions.ts";
import { InvalidTranscript } from "../domain/turn/transcript.ts";
import { wake } from "../domain/turn/turn.ts";
import { ModelFailure, type ModelFailureKind, type PartialAnswer } from "../ports/model.ts";
import type { Step } from "./claimed-step.ts";
import { endBy } from "./finish.ts";
import { forgetThoughts, makeRoom } from "./make-room.ts";
import type { StepDeps } from "./step-deps.ts";
import { LeaseLost, OutOfTime } from "./stream-answer.ts";

type Final = Exclude<ModelFailureKind, Setback["kind"]>;

/** What is the platform's and not the prompt's holds the queue: every prompt in it would end the same way. */
const finalFailures: Record<Final, StepFailure> = {
  rejected: { code: "model_rejected", message: "The model refused the request" },
  unfit_thinking: { code: "model_rejected", message: "The model refused its own thoughts" },
  too_long: { code: "context_full", message: "The conversation no longer fits the model" },
  no_such_model: {
    code: "model_unavailable",
    message: "The model's provider does not know the platform's model",
    holds_queue: true,
  },
  unauthorized: { code: "model_unavailable", message: "The platform's model key was refused", holds_queue: true },
  payment: {
    code: "model_unavailable",
    message: "The platform's spending limit at the model's provider is reached",
    holds_queue: true,
  },
};

/** The model can not answer the step at all. */
async function giveUp(
  deps: StepDeps,
  { key, claim }: Pick<Step, "key" | "claim">,
  failure: StepFailure,
  hops: number,
): Promise<void> {
  await endBy(deps, key, hops, (current, hasWorkspace, now) => failStep(current, claim, failure, hasWorkspace, now));
}

async function tellWaiting(deps: StepDeps, { key, claim }: Step, code: string, postponed: Postponed): Promise<void> {
  const { retryInMs: retry_after_ms, switches } = postponed;
  const retry_at = new Date(deps.clock.now() + retry_after_ms).toISOString();
  const next = switches && deps.fallbackModel ? { next_model: deps.fallbackModel } : {};
  const data = { code, retry_after_ms, retry_at, ...next };
  await announceLive(deps, key, { type: "model.waiting", data }, { turnId: claim.turn_id });
}

/** The wake-up that brought the worker here is done: the next one comes late, and so counts no failed delivery. */
async function postpone(deps: StepDeps, step: Step, setback: Setback, hops: number): Promise<void> {
  const { key, claim } = step;
  const hasFallback = deps.fallbackModel !== undefined;
  const outcome = await transition(deps, key, (current, now) =>
    postponeStep(current, claim, setback, hasFallback, now),
  );
  if (outcome.kind === "declined") return giveUp(deps, step, outOfTries(setback), hops);
  if (outcome.kind !== "committed") return;
  const { wakeInMs } = outcome.result;
  await Promise.all([
    tellWaiting(deps, step, setback.kind, outcome.result),
    wakeInMs === null ? undefined : wake(deps, key, Math.ceil(wakeInMs / 1000), hops + 1),
  ]);
}

/** Tokens that the API counted and nobody is billed for. */
const wastedTokens = (partial: PartialAnswer | null) => (partial ? tokensOf(partial.usage) : 0);

/** What follows where the step has no answer. */
export async function recover(deps: StepDeps, step: Step, error: unknown, hops: number): Promise<void> {
  const fields = { ...step.key, turn_id: step.claim.turn_id, step: step.claim.step };
  if (error instanceof LeaseLost) return deps.log.warn("step taken over", fields);
  if (error instanceof InvalidTranscript) {
    deps.log.error("transcript is not sendable", { ...fields, error: error.message });
    return giveUp(deps, step, { code: "internal", message: "The conversation is damaged" }, hops);
  }
  if (!(error instanceof ModelFailure) && !(error instanceof OutOfTime)) throw error;
  const { kind, partial, message } = error;
  deps.log.warn("model failed", { ...fields, code: kind, error: message, count: wastedTokens(partial) });
  if (kind === "overloaded" || kind === "broken_stream" || kind === "out_of_time") {
    const retryAfterMs = error instanceof ModelFailure ? error.retryAfterMs : null;
    return postpone(deps, step, { kind, retryAfterMs, jitter: deps.ids.random() }, hops);
  }
  if (kind === "too_long") return makeRoom(deps, step, hops);
  if (kind === "unfit_thinking") return forgetThoughts(deps, step, hops);
  await giveUp(deps, step, finalFailures[kind], hops);
}
