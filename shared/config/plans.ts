import type { PlanLimits, PlanName, Plans, RequestLimit } from "../ports/plans.ts";

const dollars = (amount: number) => amount * 1_000_000;

/** The one table of what tenants may have and do. Loads without zod: `connect` reads it too. */
export const plans: Readonly<Record<PlanName, PlanLimits>> = {
  unlimited: {
    requests: null,
    sockets: null,
    runningContainers: null,
    storedSessions: null,
    promptsInFlight: null,
    tokensPerMonth: null,
    microUsdPerMonth: null,
  },
  team: {
    requests: { perMinute: 1800, burst: 600 },
    sockets: 200,
    runningContainers: 20,
    storedSessions: 20_000,
    promptsInFlight: 50,
    tokensPerMonth: 2_000_000_000,
    microUsdPerMonth: dollars(1000),
  },
  trial: {
    requests: { perMinute: 240, burst: 120 },
    sockets: 10,
    runningContainers: 2,
    storedSessions: 50,
    promptsInFlight: 5,
    tokensPerMonth: 10_000_000,
    microUsdPerMonth: dollars(10),
  },
};

/** Throws for a name that is none: a tenant must not become unlimited by a plan that was renamed. */
export function limitsOf(plan: PlanName): PlanLimits {
  if (!Object.hasOwn(plans, plan)) throw new Error(`no such plan: ${plan}`);
  return plans[plan];
}

/** The plans as the verbs get them; the rest is the stage's. */
export function plansOf(stage: { DEFAULT_PLAN: PlanName; PUBLIC_REQUESTS?: RequestLimit | null }): Plans {
  return { limitsOf, defaultPlan: stage.DEFAULT_PLAN, publicRequests: stage.PUBLIC_REQUESTS ?? null };
}
