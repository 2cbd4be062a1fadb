import type { RouteDescription } from "../kit/route.ts";
import type { Json } from "./schemas.ts";

const text = { schema: { type: "string" } };

/** Headers that the kit sends, by the name of their component. */
export const headerComponents = {
  RequestId: { description: "Finds this request in the log", required: true, ...text },
  RateLimit: { description: 'Requests left, and seconds until the bucket is full: `"tenant";r=50;t=30`', ...text },
  RateLimitPolicy: {
    description: 'Requests at once, and seconds in which they come back: `"tenant";q=100;w=60`',
    ...text,
  },
  RetryAfter: { description: "Seconds to wait", schema: { type: "string", pattern: "^[0-9]+$" } },
  Authenticate: { description: "How to say who one is", schema: { type: "string", const: "Bearer" } },
  Replayed: {
    description: "On a POST: the answer that this `Idempotency-Key` got before",
    schema: { type: "string", const: "true" },
  },
} as const;

const component = (name: keyof typeof headerComponents): Json => ({ $ref: `#/components/headers/${name}` });

const ofEvery = {
  "x-request-id": component("RequestId"),
  ratelimit: component("RateLimit"),
  "ratelimit-policy": component("RateLimitPolicy"),
};
const replayed = { "idempotent-replayed": component("Replayed") };

export function headersOfAnswer({ method, answerHeaders = {} }: RouteDescription): Json {
  const own = Object.entries(answerHeaders).map(([name, description]) => [name, { description, ...text }]);
  return { ...ofEvery, ...(method === "POST" ? replayed : {}), ...Object.fromEntries(own) };
}

export function headersOfProblem(status: number): Json {
  return {
    ...ofEvery,
    ...(status === 401 ? { "www-authenticate": component("Authenticate") } : {}),
    ...([409, 429, 503].includes(status) ? { "retry-after": component("RetryAfter") } : {}),
    ...(status < 500 && status !== 401 && status !== 429 ? replayed : {}),
  };
}
