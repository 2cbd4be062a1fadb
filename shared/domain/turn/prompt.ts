import { AppError } from "../../errors.ts";
import type { Delivery } from "../../protocol/client-frame.ts";
import { interruptedOutput, SendMessageAnswer } from "../../protocol/conversation.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import { maxPromptBytes } from "../../protocol/limits.ts";
import { budgetsOf } from "../budget/grant.ts";
import type { Conversation, Transition } from "../conversation/conversation.ts";
import { type PlanDeps, readLimits } from "../quota/plan.ts";
import { quotaExceeded, takeQuota } from "../quota/quota.ts";
import { touchSession } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";
import { followInterruption } from "./interrupt.ts";
import { readCalls, transitionWithCalls } from "./open-calls.ts";
import { type Accepted, acceptPrompt, acceptUrgent, type Prompt } from "./prompt.decisions.ts";
import { fingerprintOf, recall, remember, type ClientRequest } from "./request.ts";
import { wake, type TurnDeps } from "./turn.ts";

export type PromptDeps = TurnDeps & PlanDeps;

export interface Submission {
  user_id: string;
  /** Chosen by the client (a frame), or of the request's idempotency key; null: a repetition is a new prompt. */
  request_id: string | null;
  content: string;
  delivery: Delivery;
}

function checkContent(content: string): void {
  if (content.trim() === "") {
    throw new AppError("validation_failed", "The prompt is empty", {
      issues: [{ path: "content", message: "is empty" }],
    });
  }
  if (Buffer.byteLength(content) > maxPromptBytes) throw new AppError("payload_too_large", "The prompt is over 64 KB");
}

type Answered = Accepted & { answer: SendMessageAnswer };

/** What the tenant allows this prompt, read beside the conversation. */
interface Allowance {
  budgets: Conversation["budgets"];
  promptsInFlight: number | null;
}

/** What the transaction holds beside the log: an order that `refusal` knows. */
function withTenant(
  key: SessionKey,
  request: ClientRequest,
  allowance: Allowance,
  message_id: string,
  conversation: Conversation,
  accepted: Transition<Accepted>,
  now: number,
): Transition<Answered> {
  const { turn_id, queued, steers } = accepted.result;
  const answer: SendMessageAnswer = { message_id, seq: conversation.head + 1, turn_id, queued };
  const begins = conversation.phase === "none";
  const limit = steers ? null : allowance.promptsInFlight;
  return {
    ...accepted,
    change: {
      ...accepted.change,
      ...(begins ? { budgets: allowance.budgets } : {}),
      ...(limit === null ? {} : { counted: (conversation.counted ?? 0) + 1 }),
    },
    extra: (entities) => [
      touchSession(entities, key, now),
      ...takeQuota(entities, key.tenant_id, "promptsInFlight", limit),
      ...remember(entities, key, request, answer, now),
    ],
    result: { ...accepted.result, answer },
  };
}

/**
 * T1. The same `request_id` gives the same answer, and one message. Throws `not_found`, `queue_full`, `quota_exceeded`
 * and `idempotency_mismatch`.
 */
export async function submitPrompt(
  deps: PromptDeps,
  key: SessionKey,
  submission: Submission,
): Promise<SendMessageAnswer> {
  const { user_id, content, delivery, request_id } = submission;
  checkContent(content);
  const { tenant_id } = key;
  const prompt: Prompt = {
    turn_id: deps.ids.next(idPrefixes.turn),
    message_id: deps.ids.next(idPrefixes.message),
    user_id,
    content: [{ type: "text", text: content }],
  };
  const request: ClientRequest = { user_id, request_id, fingerprint: fingerprintOf([content, delivery]) };
  const [known, budgets, { promptsInFlight }] = await Promise.all([
    readCalls(deps.table, key, delivery === "interrupt"),
    budgetsOf(deps.table, tenant_id, user_id, deps.clock.now()),
    readLimits(deps, tenant_id),
  ]);
  const allowance = { budgets, promptsInFlight };
  let target: string | undefined;
  const submitting = transitionWithCalls<Answered>(
    deps,
    key,
    interruptedOutput,
    (current, open, now) => {
      target ??= current.turn_id;
      const accepted =
        delivery === "interrupt"
          ? acceptUrgent(current, prompt, target ?? null, open, now)
          : acceptPrompt(current, prompt, delivery, now);
      return accepted && withTenant(key, request, allowance, prompt.message_id, current, accepted, now);
    },
    known,
  );
  const done = await submitting.catch((error: unknown) => {
    if (error instanceof AppError && error.code === "queue_full") return error;
    throw error;
  });
  // The queue may be full with what this very request put into it.
  if (done instanceof AppError) return repeated(deps, key, request, done);
  if (done.outcome.kind === "refused")
    return repeated(deps, key, request, refusal(done.outcome.index, promptsInFlight));
  await followInterruption(deps, key, done);
  return done.outcome.result.answer;
}

function refusal(index: number, promptsInFlight: number | null): AppError {
  if (index === 0) return new AppError("not_found");
  if (index === 1 && promptsInFlight !== null) return quotaExceeded("promptsInFlight", promptsInFlight);
  return new AppError("busy");
}

/** The answer of before; where there is none, `otherwise` is thrown. */
async function repeated(
  deps: TurnDeps,
  key: SessionKey,
  request: ClientRequest,
  otherwise: AppError,
): Promise<SendMessageAnswer> {
  const before = await recall(deps.table, key, request);
  if (before === null) throw otherwise;
  // The first try may have died between its commit and its wake-up.
  await wake(deps, key);
  return SendMessageAnswer.parse(before);
}
