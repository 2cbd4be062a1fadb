import { takeCheckpoint } from "../domain/checkpoint/checkpoint.ts";
import { subscribersOf } from "../domain/connection/connection.ts";
import { ensureContainer, latestContainer, type Container } from "../domain/container/container.ts";
import { lossOf } from "../domain/container/container.decisions.ts";
import { transition, type Conversation } from "../domain/conversation/conversation.ts";
import { announce, announceLive, liveEvent } from "../domain/timeline/announce.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { readTimeline } from "../domain/timeline/timeline.ts";
import { timeoutOf } from "../domain/tool-call/tool-call.decisions.ts";
import { createCalls, sendCalls, type Dispatch } from "../domain/tool-call/tool-call.ts";
import { buildTranscript, InvalidTranscript } from "../domain/turn/transcript.ts";
import { wake } from "../domain/turn/turn.ts";
import {
  claimStep,
  commitStep,
  failStep,
  postponeStep,
  type Answer,
  type Claim,
  type StepResult,
} from "../domain/turn/step.decisions.ts";
import { checkpointWaitMs } from "../domain/turn/waits.ts";
import { meter } from "../domain/usage/usage.ts";
import { ModelFailure, type ModelRequest } from "../ports/model.ts";
import { toolUses } from "../protocol/content.ts";
import type { ErrorCode } from "../protocol/error-code.ts";
import { idPrefixes } from "../protocol/ids.ts";
import { maxToolCallsPerStep } from "../protocol/limits.ts";
import type { StepDeps } from "./step-deps.ts";
import { LeaseLost, streamAnswer } from "./stream-answer.ts";

/** While calls are pending, somebody looks this often whether they still can complete. */
export const watchdogSeconds = 15;
const maxOutputTokens = 32_000;
/** Without a `retry-after`. */
const defaultRetryMs = 5_000;

const failureCodes: Record<"rejected" | "unauthorized" | "payment", { code: ErrorCode; message: string }> = {
  rejected: { code: "model_rejected", message: "The model refused the request" },
  unauthorized: { code: "model_unavailable", message: "The platform's model key was refused" },
  payment: { code: "model_unavailable", message: "The platform's spending limit at the model's provider is reached" },
};

interface Step {
  key: SessionKey;
  claim: Claim;
  conversation: Conversation;
  /** The launch runs beside the model: it is not on the way to the first word. */
  container: Promise<Container | null>;
}

function isUp(container: Container | null, now: number): boolean {
  return container?.status === "ready" && lossOf(container, now) === null;
}

async function hasWorkspace(deps: StepDeps, key: SessionKey): Promise<boolean> {
  return isUp(await latestContainer(deps.table, key), deps.clock.now());
}

async function requestOf(deps: StepDeps, key: SessionKey): Promise<{ request: ModelRequest; seenHead: number }> {
  const { rows: log } = await readTimeline(deps, key, { after: 0 });
  const messages = buildTranscript(log, deps.turnModel);
  const { turnModel: model, system, tools } = deps;
  return {
    request: { model, system, tools: [...tools], messages, maxTokens: maxOutputTokens },
    seenHead: log.at(-1)?.seq ?? 0,
  };
}

interface Answered {
  answer: Answer;
  modelRequestId: string | null;
}

async function ask(deps: StepDeps, step: Step): Promise<Answered> {
  const { key, claim } = step;
  const [{ request, seenHead }, watchers] = await Promise.all([requestOf(deps, key), subscribersOf(deps, key)]);
  const message_id = deps.ids.next(idPrefixes.message);
  const completed = await streamAnswer(deps, request, { key, claim, messageId: message_id, watchers });
  const { content, stopReason, usage, requestId } = completed;
  const { cache_write_1h_tokens: _hour, list_price: _list, ...counted } = usage;
  const cost_micro_usd = deps.price(usage, deps.clock.now());
  return {
    answer: { message_id, content, stopReason, seenHead, usage: { ...counted, cost_micro_usd } },
    modelRequestId: requestId,
  };
}

async function commit(deps: StepDeps, step: Step, answered: Answered, nonces: string[], container: Container | null) {
  const { key, claim, conversation } = step;
  const { answer, modelRequestId } = answered;
  const workspace = isUp(container, deps.clock.now());
  const user_id = conversation.turn_user_id ?? "";
  const epoch = container?.epoch ?? conversation.epoch;
  const outcome = await transition<StepResult>(deps, key, (current, now) => {
    const committed = commitStep(current, claim, answer, workspace, now);
    const { turn_id, step: number } = claim;
    return (
      committed && {
        ...committed,
        extra: (entities, firstSeq) => [
          ...meter(
            entities,
            key,
            { turn_id, step: number, user_id, usage: answer.usage, model_request_id: modelRequestId },
            now,
          ),
          ...createCalls(
            entities,
            key,
            committed.result.calls,
            nonces,
            { turn_id, step: number, asked_at_seq: firstSeq, epoch },
            now,
          ),
        ],
      }
    );
  });
  return outcome.kind === "committed" ? outcome : null;
}

/** After the commit: all of this may be lost, the watchdog and the sweeper bring it back. */
async function follow(
  deps: StepDeps,
  key: SessionKey,
  conversation: Conversation,
  container: Container | null,
  hops: number,
) {
  if (conversation.phase === "tools") return wake(deps, key, watchdogSeconds, hops + 1);
  if (conversation.phase === "checkpoint") {
    if (container) await takeCheckpoint(deps, conversation, container);
    return wake(deps, key, Math.ceil(checkpointWaitMs / 1000), hops + 1);
  }
  if (conversation.phase === "model") await wake(deps, key, 0, hops + 1);
}

/** Hands the calls out where somebody is there to take them; a container that starts asks for them itself. */
async function handOut(
  deps: StepDeps,
  step: Step,
  answer: Answer,
  nonces: string[],
  known: Container | null,
): Promise<void> {
  const asked = toolUses(answer.content).slice(0, nonces.length);
  const inputs = new Map(asked.map((call) => [call.id, call]));
  const turn_id = step.claim.turn_id;
  const calls = asked.map((call, index): Dispatch => ({
    call_id: call.id,
    name: call.name,
    nonce: nonces[index] ?? "",
    timeout_ms: timeoutOf(call),
    turn_id,
  }));
  const send = async (container: Container | null) =>
    container !== null && isUp(container, deps.clock.now()) && sendCalls(deps, container, calls, inputs);
  // The container may have got ready, or linked anew, since it was read: then it has not seen these calls.
  if (!(await send(known))) await send(await latestContainer(deps.table, step.key));
}

async function giveUp(
  deps: StepDeps,
  step: Step,
  error: { code: ErrorCode; message: string },
  hops: number,
): Promise<void> {
  const { key, claim } = step;
  const workspace = await hasWorkspace(deps, key);
  const outcome = await transition(deps, key, (current, now) => failStep(current, claim, error, workspace, now));
  if (outcome.kind !== "committed") return;
  await announce(deps, key, outcome.rows);
  await follow(deps, key, outcome.conversation, await latestContainer(deps.table, key), hops);
}

async function postpone(deps: StepDeps, step: Step, failure: ModelFailure, hops: number): Promise<void> {
  const { key, claim } = step;
  const delayMs = Math.min(failure.retryAfterMs ?? defaultRetryMs * (0.5 + deps.ids.random()), 900_000);
  const workspace = await hasWorkspace(deps, key);
  const outcome = await transition(deps, key, (current, now) => postponeStep(current, claim, delayMs, workspace, now));
  if (outcome.kind !== "committed") return;
  if (!outcome.result.waits) {
    await announce(deps, key, outcome.rows);
    return follow(deps, key, outcome.conversation, await latestContainer(deps.table, key), hops);
  }
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
  const claimed = await transition(deps, key, claimStep, conversation);
  if (claimed.kind !== "committed") return;
  const { turn_id, step: number, fence } = claimed.conversation;
  const container = ensureContainer(deps, key).catch((error: unknown) => {
    deps.log.warn("no container", { ...key, turn_id, error: error instanceof Error ? error.message : String(error) });
    return null;
  });
  const step: Step = {
    key,
    claim: { turn_id: turn_id ?? "", step: number, fence },
    conversation: claimed.conversation,
    container,
  };
  try {
    const answered = await ask(deps, step);
    await conclude(deps, step, answered, hops);
  } catch (error) {
    await recover(deps, step, error, hops);
  }
}

async function conclude(deps: StepDeps, step: Step, answered: Answered, hops: number): Promise<void> {
  const { key, claim } = step;
  const { answer } = answered;
  const nonces = toolUses(answer.content)
    .slice(0, maxToolCallsPerStep)
    .map(() => deps.ids.secret(16));
  const container = await usableContainer(deps, step, answer);
  const committed = await commit(deps, step, answered, nonces, container);
  if (!committed) return;
  const { model: _model, ...data } = answer.usage;
  const metered = liveEvent(key, deps.clock.now(), { type: "usage.updated", data }, claim.turn_id);
  const following = follow(deps, key, committed.conversation, container, hops);
  // The watchers learn of a call before its output can come.
  await announce(deps, key, committed.rows, [metered]);
  if (committed.result.calls.length > 0) await handOut(deps, step, answer, nonces, container);
  await following;
}

/** The container that was ready when the step began, or its newest state: it may have become ready while the model spoke. */
async function usableContainer(deps: StepDeps, step: Step, answer: Answer): Promise<Container | null> {
  const known = await Promise.race([step.container, Promise.resolve(null)]);
  if (known && isUp(known, deps.clock.now())) return known;
  const launched = toolUses(answer.content).length > 0 ? await step.container : null;
  return (await latestContainer(deps.table, step.key)) ?? launched;
}
