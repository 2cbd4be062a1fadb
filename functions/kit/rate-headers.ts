import type { BucketState } from "../../shared/domain/quota/bucket.ts";

/** `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10): requests left, and seconds. */
export function rateHeaders({ policy, remaining, resetSeconds }: BucketState): Record<string, string> {
  const window = Math.ceil(policy.capacity / policy.refillPerSecond);
  return {
    ratelimit: `"${policy.name}";r=${remaining};t=${resetSeconds}`,
    "ratelimit-policy": `"${policy.name}";q=${policy.capacity};w=${window}`,
  };
}
