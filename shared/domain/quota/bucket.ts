import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";

/** A bucket that holds `capacity` tokens and wins `refillPerSecond` of them back each second. */
export interface BucketPolicy {
  name: string;
  capacity: number;
  refillPerSecond: number;
}

export interface BucketState {
  policy: BucketPolicy;
  /** Whole tokens that are left. */
  remaining: number;
  /** Seconds until it is full again. */
  resetSeconds: number;
}

interface BucketDeps {
  table: Table;
  clock: Pick<Clock, "now">;
}

function stateOf(policy: BucketPolicy, fullAt: number, now: number): BucketState {
  const missing = (Math.max(0, fullAt - now) / 1000) * policy.refillPerSecond;
  return {
    policy,
    remaining: Math.max(0, Math.floor(policy.capacity - missing)),
    resetSeconds: Math.ceil(Math.max(0, fullAt - now) / 1000),
  };
}

/** Writes where the bucket's state is still the one that was read: full, or not. Null where it is not. */
async function write(deps: BucketDeps, scope: string, filledBy: number, limit: number, wasFull: boolean, now: number) {
  const { bucket } = rows(deps.table).entities;
  const expires_at = Math.ceil((limit + filledBy) / 1000) + 60;
  const change = bucket.upsert({ scope, expires_at });
  try {
    const written = wasFull
      ? await change
          .set({ full_at: now + filledBy })
          .where(({ full_at }, { notExists, lte }) => `${notExists(full_at)} OR ${lte(full_at, now)}`)
          .go({ response: "all_new" })
      : await change
          .add({ full_at: filledBy })
          .where(({ full_at }, { gt, lte }) => `${gt(full_at, now)} AND ${lte(full_at, limit)}`)
          .go({ response: "all_new" });
    return (written.data as { full_at: number }).full_at;
  } catch (error) {
    if (isConditionFailure(error)) return null;
    throw error;
  }
}

/**
 * Takes tokens from a bucket, or throws `rate_limited` with the time after which they are there. One conditional write
 * where the guess about the bucket's state is right, two otherwise (GCRA, ITU-T I.371; nothing refills the bucket but
 * the clock).
 */
export async function takeToken(deps: BucketDeps, scope: string, policy: BucketPolicy, cost = 1): Promise<BucketState> {
  const key = `${policy.name}#${scope}`;
  const filledBy = Math.ceil((cost * 1000) / policy.refillPerSecond);
  const capacityMs = (policy.capacity * 1000) / policy.refillPerSecond;
  const now = deps.clock.now();
  const limit = Math.floor(now + capacityMs - filledBy);
  for (const wasFull of [true, false]) {
    const fullAt = await write(deps, key, filledBy, limit, wasFull, now);
    if (fullAt !== null) return stateOf(policy, fullAt, now);
  }
  const found = await rows(deps.table).entities.bucket.get({ scope: key }).go({ consistent: true });
  const waitMs = (found.data?.full_at ?? now) - (now + capacityMs - filledBy);
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
  throw new AppError("rate_limited", `Try again in ${retryAfterSeconds} s`, { retryAfterSeconds });
}
