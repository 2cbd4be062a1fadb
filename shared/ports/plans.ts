/** From the largest to the smallest. */
export const planNames = ["unlimited", "team", "trial"] as const;
export type PlanName = (typeof planNames)[number];

/** A token bucket: `burst` at once, `perMinute` for ever. */
export interface RequestLimit {
  perMinute: number;
  burst: number;
}

/** What a tenant may have and do; null is unlimited, and costs no write. */
export interface PlanLimits {
  /** HTTP requests and WebSocket frames that change something, of all members and keys together. */
  requests: RequestLimit | null;
  /** WebSockets that are open at a time. */
  sockets: number | null;
  /** Sandboxes that start or run at a time. */
  runningContainers: number | null;
  storedSessions: number | null;
  /** Accepted prompts whose turns have not ended. */
  promptsInFlight: number | null;
  /** Of all kinds together: input, output, read from and written to the cache. */
  tokensPerMonth: number | null;
  microUsdPerMonth: number | null;
}

export interface Plans {
  limitsOf(plan: PlanName): PlanLimits;
  /** The plan of every tenant that was given none. */
  defaultPlan: PlanName;
  /** What one address may ask of public routes; null is unlimited. */
  publicRequests: RequestLimit | null;
}
