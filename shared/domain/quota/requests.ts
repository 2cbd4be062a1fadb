import { networkOf } from "../account/throttle.ts";
import type { RequestLimit } from "../../ports/plans.ts";
import type { Actor } from "../../ports/tokens.ts";
import { type BucketPolicy, type BucketState, takeToken } from "./bucket.ts";
import { type PlanDeps, readLimits } from "./plan.ts";

/** Whom a request counts against: the actor's tenant, or the address where nobody is signed in. */
export type Caller = { actor: Pick<Actor, "tenantId"> } | { sourceIp: string };

function policyOf(name: string, { perMinute, burst }: RequestLimit): BucketPolicy {
  return { name, capacity: burst, refillPerSecond: perMinute / 60 };
}

/**
 * Counts one request, or one frame that changes something. Null where nothing limits the caller: then nothing is
 * written. Throws `RateLimited`.
 */
export async function limitRequests(deps: PlanDeps, caller: Caller): Promise<BucketState | null> {
  if ("sourceIp" in caller) {
    const { publicRequests } = deps.plans;
    return publicRequests && takeToken(deps, networkOf(caller.sourceIp), policyOf("address", publicRequests));
  }
  const { tenantId } = caller.actor;
  const { requests } = await readLimits(deps, tenantId);
  return requests && takeToken(deps, tenantId, policyOf("tenant", requests));
}
