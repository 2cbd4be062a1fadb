import type { IncomingMessage } from "node:http";

import type { HttpReply } from "./http-reply.ts";

/** `CorsConfiguration` of an HTTP API; `maxAge` in seconds. */
export interface CorsRules {
  /** `*`, whole origins, or all of a scheme: `https://*`. */
  allowOrigins?: string[];
  allowMethods?: string[];
  allowHeaders?: string[];
  exposeHeaders?: string[];
  allowCredentials?: boolean;
  maxAge?: number;
}

/** The gateway answers these itself, whatever the routes are. */
export function isPreflight(request: IncomingMessage): boolean {
  const { origin, "access-control-request-method": method } = request.headers;
  return request.method === "OPTIONS" && origin !== undefined && method !== undefined;
}

export function preflightReply(rules: CorsRules, origin: string): HttpReply {
  const headers = corsHeaders(rules, origin);
  if (headers.length === 0) return { status: 204, headers, body: Buffer.alloc(0) };
  if (rules.allowMethods) headers.push(["access-control-allow-methods", rules.allowMethods.join(",")]);
  if (rules.allowHeaders) headers.push(["access-control-allow-headers", rules.allowHeaders.join(",").toLowerCase()]);
  if (rules.maxAge !== undefined) headers.push(["access-control-max-age", String(rules.maxAge)]);
  return { status: 204, headers, body: Buffer.alloc(0) };
}

/** Where CORS is configured, the headers of the function are ignored and those of the configuration set. */
export function withCors(rules: CorsRules, origin: string | undefined, reply: HttpReply): HttpReply {
  const own = reply.headers.filter(([name]) => !name.startsWith("access-control-"));
  return { ...reply, headers: origin === undefined ? own : [...own, ...corsHeaders(rules, origin)] };
}

function corsHeaders(rules: CorsRules, origin: string): [string, string][] {
  const allowed = allowedOrigin(rules.allowOrigins ?? [], origin);
  if (allowed === null) return [];
  const headers: [string, string][] = [["access-control-allow-origin", allowed]];
  if (rules.allowCredentials) headers.push(["access-control-allow-credentials", "true"]);
  if (rules.exposeHeaders) headers.push(["access-control-expose-headers", rules.exposeHeaders.join(",")]);
  return headers;
}

function allowedOrigin(allowOrigins: string[], origin: string): string | null {
  if (allowOrigins.includes("*")) return "*";
  const isAllowed = allowOrigins.some((rule) =>
    rule.endsWith("://*") ? origin.startsWith(rule.slice(0, -1)) : rule === origin,
  );
  return isAllowed ? origin : null;
}
