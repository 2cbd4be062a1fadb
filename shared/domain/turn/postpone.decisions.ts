import type { ErrorCode } from "../../protocol/error-code.ts";
import type { Conversation, Transition } from "../conversation/conversation.ts";
import { holds, type Claim } from "./step.decisions.ts";
import { wakeUpGraceMs } from "./waits.ts";

/** A model that refused for so long counts as down, and the turn ends. */
export const maxModelWaitMs = 15 * 60_000;
/** A longer wait than this is not begun, whatever the model's API asks for. */
const maxStatedWaitMs = 60 * 60_000;
const firstRetryMs = 2_000;
const maxRetryMs = 60_000;
/** So long the model may refuse before another one is asked, and so long that one stays. */
const fallbackAfterMs = 60_000;
const fallbackForMs = 10 * 60_000;
/** SQS delays a message no longer: past it the sweeper wakes the session. */
const maxDelayMs = 900_000;

/** Why a step has no answer, though another try may have one. */
type SetbackKind =
  /** The model said no before it said anything. */
  | "overloaded"
  /** It began, and its stream broke. */
  | "broken_stream"
  /** It had not ended when its worker had to. */
  | "out_of_time";

export interface Setback {
  kind: SetbackKind;
  /** What the API asked for. */
  retryAfterMs: number | null;
  /** From 0 to 1, so that sessions which were refused together do not come back together. */
  jitter: number;
}

/** Calls that were paid for and came to nothing: the next one would too. */
const maxWasted: Record<SetbackKind, number> = { overloaded: Infinity, broken_stream: 6, out_of_time: 3 };

export interface Postponed {
  retryInMs: number;
  /** Null: the sweeper wakes the session. */
  wakeInMs: number | null;
  /** From now on the fallback model is asked. */
  switches: boolean;
}

/** Doubles up to a minute, and differs by a half from session to session. */
function backoffMs(setbacks: number, jitter: number): number {
  return Math.min(firstRetryMs * 2 ** Math.min(setbacks, 10), maxRetryMs) * (0.5 + jitter / 2);
}

function retryInMs({ kind, retryAfterMs, jitter }: Setback, setbacks: number): number {
  if (kind === "out_of_time") return 0;
  const asked = retryAfterMs === null ? 0 : retryAfterMs + jitter * Math.min(retryAfterMs / 10, 5_000);
  return Math.round(Math.max(asked, backoffMs(setbacks, jitter)));
}

/** The next try would come too late to wait for it with one model only. */
function isLongWait(waitingSince: number, delayMs: number, now: number): boolean {
  return now + delayMs - waitingSince >= fallbackAfterMs;
}

const isOver = (waitedMs: number, delayMs: number) => waitedMs >= maxModelWaitMs || delayMs > maxStatedWaitMs;

/**
 * The step has no answer for now: it is given back, burns none of its tries, and says when it is tried again. Null where
 * there is no other try, or the step is no longer this worker's.
 */
export function postponeStep(
  conversation: Conversation,
  claim: Claim,
  setback: Setback,
  hasFallback: boolean,
  now: number,
): Transition<Postponed> | null {
  if (!holds(conversation, claim) || conversation.interrupt_at !== undefined) return null;
  const { count, wasted } = conversation.setbacks ?? { count: 0, wasted: 0 };
  const wastedNow = setback.kind === "overloaded" ? wasted : wasted + 1;
  const waiting_since = setback.kind === "out_of_time" ? 0 : conversation.waiting_since || now;
  const asked = retryInMs(setback, count);
  const isAskedOther = (conversation.fallback_until ?? 0) > now;
  const switches = hasFallback && !isAskedOther && waiting_since > 0 && isLongWait(waiting_since, asked, now);
  const retry = switches ? 0 : asked;
  const waitedMs = waiting_since === 0 ? 0 : now - waiting_since;
  if (wastedNow >= maxWasted[setback.kind] || (!switches && isOver(waitedMs, retry))) return null;
  const wakeInMs = retry > maxDelayMs ? null : retry;
  return {
    rows: [],
    change: {
      fence: conversation.fence + 1,
      attempts: 0,
      lease_until: 0,
      waiting_since,
      setbacks: { count: count + 1, wasted: wastedNow, retry_at: now + retry },
      ...(switches ? { fallback_until: now + fallbackForMs } : {}),
      reserved: null,
      due_at: now + retry + (wakeInMs === null ? 0 : wakeUpGraceMs),
    },
    result: { retryInMs: retry, wakeInMs, switches },
  };
}

/** Which model the next step asks. */
export function modelFor(
  { fallback_until }: Pick<Conversation, "fallback_until">,
  models: { turnModel: string; fallbackModel?: string | undefined },
  now: number,
): string {
  return (fallback_until ?? 0) > now ? (models.fallbackModel ?? models.turnModel) : models.turnModel;
}

/** What the turn ends with where there is no other try. */
export function outOfTries({ kind, retryAfterMs }: Setback): { code: ErrorCode; message: string } {
  const code = "model_unavailable";
  if (kind === "out_of_time") return { code, message: "The model's answer took too long, again and again" };
  if (retryAfterMs !== null && retryAfterMs > maxStatedWaitMs)
    return { code, message: `The model asks to wait for ${Math.ceil(retryAfterMs / 60_000)} minutes` };
  if (kind === "broken_stream") return { code, message: "The model's answer broke off again and again" };
  return { code, message: `The model did not answer for ${maxModelWaitMs / 60_000} minutes` };
}
