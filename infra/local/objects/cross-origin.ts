import type { IncomingMessage, ServerResponse } from "node:http";

/** As in the template's CorsConfiguration. */
export interface CorsRule {
  AllowedOrigins: string[];
  AllowedMethods: string[];
  AllowedHeaders?: string[];
  ExposedHeaders?: string[];
  MaxAge?: number;
}

/** Puts the CORS headers of the first rule that fits on the response. Answers whether one did. */
export function allowOrigin(request: IncomingMessage, response: ServerResponse, rules: CorsRule[]): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return false;
  const method = request.headers["access-control-request-method"] ?? request.method ?? "GET";
  const rule = rules.find(
    (candidate) =>
      candidate.AllowedMethods.includes(method) && candidate.AllowedOrigins.some((pattern) => covers(pattern, origin)),
  );
  if (rule === undefined) return false;
  response.setHeader("access-control-allow-origin", rule.AllowedOrigins.includes("*") ? "*" : origin);
  response.setHeader("vary", "Origin");
  response.setHeader("access-control-allow-methods", rule.AllowedMethods.join(", "));
  const asked = headersOf(request.headers["access-control-request-headers"]);
  const allowed = asked.filter((name) => rule.AllowedHeaders?.some((pattern) => covers(pattern.toLowerCase(), name)));
  if (allowed.length > 0) response.setHeader("access-control-allow-headers", allowed.join(", "));
  if (rule.ExposedHeaders) response.setHeader("access-control-expose-headers", rule.ExposedHeaders.join(", "));
  if (rule.MaxAge !== undefined) response.setHeader("access-control-max-age", String(rule.MaxAge));
  return asked.length === allowed.length;
}

function headersOf(list: string | string[] | undefined): string[] {
  const text = Array.isArray(list) ? list.join(",") : (list ?? "");
  return text
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "");
}

/** A pattern with at most one star. */
function covers(pattern: string, text: string): boolean {
  const [head = "", tail] = pattern.split("*");
  if (tail === undefined) return pattern === text;
  return text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail);
}
