import { createHash } from "node:crypto";
import type { CourierAnswer, DeliveryFailure, DisabledReason } from "../../protocol/webhook.ts";
import type { Delivery, Webhook } from "./rows.ts";

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

/** How long after a failed attempt the next one comes: eight attempts over 24 hours (Standard Webhooks, to the first day). */
export const retryDelaysMs = [
  5 * secondMs,
  5 * minuteMs,
  30 * minuteMs,
  2 * hourMs,
  5 * hourMs,
  7 * hourMs,
  9 * hourMs + 25 * minuteMs,
];
/** No two webhooks that failed together come back together. */
const jitter = 0.1;
/** An endpoint at which every attempt failed for this long is turned off. */
export const failingForMs = 5 * dayMs;
/** An attempt longer than this holds others up; after it the endpoint is tried by one at a time, this far apart. */
const slowMs = 5 * secondMs;
const slowPauseMs = minuteMs;
/** Longer than an attempt can take: past it, whoever ran it is dead. */
export const leaseMs = 30 * secondMs;
export const keepSeconds = 30 * 24 * 3600;
const keptTries = 20;
export const deliveryShards = 4;

const base32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** The ULID of this event at this webhook: the same for everybody who derives it, in the order of the events' times. */
export function deliveryIdOf(webhookId: string, eventId: string, atMs: number): string {
  const time = Array.from({ length: 10 }, (_, index) => base32[Math.floor(atMs / 32 ** (9 - index)) % 32]);
  const hash = createHash("sha256").update(`${webhookId}|${eventId}`).digest();
  // Sixteen characters of five bits each: the first of every byte, which is as good as any.
  const rest = Array.from({ length: 16 }, (_, index) => base32[(hash[index] ?? 0) % 32]);
  return `dlv_${[...time, ...rest].join("")}`;
}

export function deliveryShardOf(deliveryId: string): string {
  return String((deliveryId.codePointAt(deliveryId.length - 1) ?? 0) % deliveryShards);
}

export type DialDecision = "free" | "probe" | "skip";

/** Whether an attempt may hold a connection open. `probe`: only if nobody else does. */
export function mayDial({ slow_until }: Webhook, now: number): DialDecision {
  if (slow_until === undefined) return "free";
  return slow_until <= now ? "probe" : "skip";
}

export const probedUntil = (now: number): number => now + slowPauseMs;

/** What an attempt came to; `endpoint_slow` is one that was not made. */
export type Attempt = CourierAnswer | { kind: "failed"; failure: "endpoint_slow"; latency_ms: 0 };

export interface DeliveryChange {
  status: Delivery["status"];
  tries: Delivery["tries"];
  /** Null at the end of the delivery. */
  due_at: number | null;
}

/** Null removes. */
export interface WebhookChange {
  failing_since?: number | null;
  slow_until?: number | null;
  enabled?: false;
  disabled_reason?: DisabledReason;
}

function failureOf(attempt: Attempt): DeliveryFailure | undefined {
  if (attempt.kind === "failed") return attempt.failure;
  return attempt.status >= 200 && attempt.status < 300 ? undefined : "status";
}

function healthAfter(webhook: Webhook, attempt: Attempt, isGood: boolean, now: number): WebhookChange {
  if (attempt.kind === "failed" && attempt.failure === "endpoint_slow") return {};
  if (isGood) {
    return {
      ...(webhook.failing_since === undefined ? {} : { failing_since: null }),
      ...(webhook.slow_until === undefined ? {} : { slow_until: null }),
    };
  }
  const slow = attempt.latency_ms >= slowMs ? { slow_until: now + slowPauseMs } : {};
  if (attempt.kind === "answered" && attempt.status === 410)
    return { ...slow, enabled: false, disabled_reason: "gone" };
  if (webhook.failing_since === undefined) return { ...slow, failing_since: now };
  if (now - webhook.failing_since < failingForMs) return slow;
  return { ...slow, enabled: false, disabled_reason: "failing" };
}

/** Null where the schedule has no further attempt. */
function nextDue(made: number, attempt: Attempt, now: number, random: number): number | null {
  const planned = retryDelaysMs[made - 1];
  if (planned === undefined) return null;
  const asked = attempt.kind === "answered" ? (attempt.retry_after_seconds ?? 0) * secondMs : 0;
  const delay = planned * (1 - jitter + 2 * jitter * random);
  return Math.round(now + Math.max(delay, Math.min(asked, dayMs)));
}

/** `delivery` counts the attempt already: whoever dies in it has used it up. */
export function afterAttempt(
  delivery: Delivery,
  webhook: Webhook,
  attempt: Attempt,
  now: number,
  random: number,
): { delivery: DeliveryChange; webhook: WebhookChange } {
  const failure = failureOf(attempt);
  const status = attempt.kind === "answered" ? attempt.status : undefined;
  const made = { at: now - attempt.latency_ms, status, failure, latency_ms: attempt.latency_ms };
  const tries = [...delivery.tries, made].slice(-keptTries);
  const health = healthAfter(webhook, attempt, failure === undefined, now);
  if (failure === undefined) return { delivery: { status: "delivered", tries, due_at: null }, webhook: health };
  const due_at = health.enabled === false ? null : nextDue(delivery.round, attempt, now, random);
  return { delivery: { status: due_at === null ? "failed" : "pending", tries, due_at }, webhook: health };
}

/** Every attempt of the schedule was begun, and who began the last one did not come back. */
export const isExhausted = ({ round }: Delivery): boolean => round > retryDelaysMs.length + 1;

/** The end of a delivery without an attempt: its webhook is off or gone, or it is exhausted. */
export function givenUp(delivery: Delivery, failure: DeliveryFailure, now: number): DeliveryChange {
  const tries = [...delivery.tries, { at: now, failure, latency_ms: 0 }].slice(-keptTries);
  return { status: "failed", tries, due_at: null };
}
