import type { BucketPolicy, BucketState } from "./bucket.ts";

const microseconds = 1_000_000;

/** What taking tokens now means for the one figure that a bucket is: when it would be full again. In microseconds. */
export interface Taking {
  now: number;
  /** How long the tokens take to come back. */
  cost: number;
  /** Tokens are there while the bucket is full again at this time or sooner. */
  limit: number;
}

/** Throws for more tokens than the bucket ever holds. */
export function takingOf(policy: BucketPolicy, tokens: number, nowMs: number): Taking {
  if (tokens > policy.capacity) throw new Error(`bucket ${policy.name} never holds ${tokens} tokens`);
  const now = nowMs * 1000;
  const cost = Math.round((tokens * microseconds) / policy.refillPerSecond);
  const capacity = Math.round((policy.capacity * microseconds) / policy.refillPerSecond);
  // The rounding of single tokens must not cost the last one of a full bucket.
  const slack = Math.ceil(policy.capacity / 2);
  return { now, cost, limit: now + capacity - cost + slack };
}

/** The state after tokens were taken. */
export function stateAfter(policy: BucketPolicy, { now }: Taking, fullAt: number): BucketState {
  const missing = (Math.max(0, fullAt - now) / microseconds) * policy.refillPerSecond;
  return {
    policy,
    remaining: Math.max(0, Math.floor(policy.capacity - missing + 0.001)),
    resetSeconds: Math.ceil(Math.max(0, fullAt - now) / microseconds),
  };
}

/** The state where tokens were refused: `resetSeconds` is when they are there, if nobody else takes them. */
export function stateRefused(policy: BucketPolicy, { now, cost, limit }: Taking, fullAt: number): BucketState {
  const { remaining } = stateAfter(policy, { now, cost, limit }, fullAt);
  return { policy, remaining, resetSeconds: Math.max(1, Math.ceil((fullAt - limit) / microseconds)) };
}
