import { AwsError } from "./aws-error.ts";

/** The first one included, as in the SDK's standard mode. */
export const maxTries = 3;
const baseMs = 100;
const throttledBaseMs = 500;
const longestMs = 20_000;

const throttles = new Set([
  "BandwidthLimitExceeded",
  "LimitExceededException",
  "PriorRequestNotComplete",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "RequestThrottled",
  "RequestThrottledException",
  "SlowDown",
  "ThrottledException",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
  "TransactionInProgressException",
]);
const transientStatuses = new Set([500, 502, 503, 504]);
/** Of the connection: a kept one that the other side has closed meanwhile looks like these too. */
const transientCodes = new Set(["ECONNRESET", "ECONNREFUSED", "EPIPE", "ETIMEDOUT", "EAI_AGAIN", "ENOTFOUND"]);

/** How long to wait before the next try, in ms; null where there is none. `random` is in [0, 1). */
export function delayBefore(tries: number, error: unknown, random: number): number | null {
  if (tries >= maxTries) return null;
  const kind = kindOf(error);
  if (kind === null) return null;
  const base = kind === "throttled" ? throttledBaseMs : baseMs;
  return Math.floor(Math.min(longestMs, random * 2 ** (tries - 1) * base));
}

function kindOf(error: unknown): "throttled" | "transient" | null {
  if (error instanceof AwsError) {
    if (throttles.has(error.name) || error.status === 429) return "throttled";
    return transientStatuses.has(error.status) ? "transient" : null;
  }
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : null;
  return typeof code === "string" && transientCodes.has(code) ? "transient" : null;
}
