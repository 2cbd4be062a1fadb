import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { stateAfter, stateRefused, type Taking, takingOf } from "./bucket.decisions.ts";

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
  /** Seconds until it is full again; where tokens were refused, until they are there. */
  resetSeconds: number;
}

interface BucketDeps {
  table: Table;
  clock: Pick<Clock, "now">;
}

/** Expected: `rate_limited`, with the bucket that refused. */
export class RateLimited extends AppError {
  readonly bucket: BucketState;

  constructor(bucket: BucketState) {
    const { resetSeconds } = bucket;
    super("rate_limited", `Try again in ${resetSeconds} s`, { retryAfterSeconds: resetSeconds });
    this.name = "RateLimited";
    this.bucket = bucket;
  }
}

/**
 * What this process last saw of each bucket. `full_at` only rises (but for `returnTokens`), so a bucket that was seen
 * empty refuses without a request until its next token, whoever hammers it.
 */
const seenBy = new WeakMap<Table, Map<string, number>>();
const maxSeen = 10_000;

function remember(table: Table, key: string, fullAt: number): void {
  const seen = seenBy.get(table) ?? new Map<string, number>();
  seenBy.set(table, seen);
  seen.delete(key);
  const [oldest] = seen.size >= maxSeen ? seen.keys() : [];
  if (oldest !== undefined) seen.delete(oldest);
  seen.set(key, fullAt);
}

interface Written {
  taken: boolean;
  /** After the write; where nothing was taken, what the row holds. */
  fullAt: number;
}

/** Adds to a bucket that is not full, or starts a full one anew: holds where the bucket's state is the guessed one. */
async function write(table: Table, key: string, { now, cost, limit }: Taking, isFull: boolean): Promise<Written> {
  // Deleted some time after it is full again, and read as full from then on.
  const expires_at = Math.ceil((limit + cost) / 1_000_000) + 60;
  const change = rows(table).entities.bucket.upsert({ scope: key, expires_at });
  const written = isFull
    ? await change
        .set({ full_at: now + cost })
        .where(({ full_at }, { notExists, lte }) => `${notExists(full_at)} OR ${lte(full_at, now)}`)
        .go({ response: "all_new", returnOnConditionCheckFailure: "all_old" })
    : await change
        .add({ full_at: cost })
        .where(({ full_at }, { gt, lte }) => `${gt(full_at, now)} AND ${lte(full_at, limit)}`)
        .go({ response: "all_new", returnOnConditionCheckFailure: "all_old" });
  return { taken: !written.rejected, fullAt: written.data?.full_at ?? 0 };
}

/** A guess fails where others took from the bucket at the same time; each failure says what the bucket holds. */
const maxGuesses = 4;

/**
 * Takes tokens from a bucket, or throws `RateLimited`. One conditional write, two where the guess about the bucket's
 * state was wrong, none where this process knows that it is empty (GCRA, ITU-T I.371: only the clock refills it).
 */
export async function takeToken(deps: BucketDeps, scope: string, policy: BucketPolicy, cost = 1): Promise<BucketState> {
  const key = `${policy.name}#${scope}`;
  const taking = takingOf(policy, cost, deps.clock.now());
  let fullAt = seenBy.get(deps.table)?.get(key) ?? 0;
  for (let guess = 0; guess < maxGuesses && fullAt <= taking.limit; guess += 1) {
    const written = await write(deps.table, key, taking, fullAt <= taking.now);
    fullAt = written.fullAt;
    remember(deps.table, key, fullAt);
    if (written.taken) return stateAfter(policy, taking, fullAt);
  }
  throw new RateLimited(stateRefused(policy, taking, fullAt));
}

/**
 * Puts tokens back that turned out to be owed to nobody (a login that was right). A process that saw the bucket without
 * them goes on refusing until they would have come back by themselves.
 */
export async function returnTokens(deps: BucketDeps, scope: string, policy: BucketPolicy, count = 1): Promise<void> {
  await takeToken(deps, scope, policy, -count);
}
