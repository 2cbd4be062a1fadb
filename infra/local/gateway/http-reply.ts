import type { IntegrationOutcome } from "./integration.ts";

export interface HttpReply {
  status: number;
  /** Names in lower case; a name may repeat (`set-cookie`). */
  headers: [string, string][];
  body: Buffer;
}

/** Lambda's limit for a synchronous request and its answer, both as JSON. */
export const lambdaPayloadBytes = 6 * 1024 * 1024;

/** A refusal by the gateway itself: `{"message": ...}`. */
export function gatewayReply(status: number, message: string): HttpReply {
  return { status, headers: [["content-type", "application/json"]], body: Buffer.from(JSON.stringify({ message })) };
}

/**
 * What the client gets for the outcome of an integration. Our 30 s and a throttled function are 503, every failure of the
 * function (its own timeout too) and every malformed result is 500.
 */
export function replyOf(outcome: IntegrationOutcome): HttpReply {
  if (outcome.kind === "integration_timeout" || outcome.kind === "throttled")
    return gatewayReply(503, "Service Unavailable");
  if (outcome.kind !== "returned") return gatewayReply(500, "Internal Server Error");
  const payload = outcome.payload ?? null;
  const reply = isStructured(payload) ? structuredReply(payload) : inferredReply(payload);
  if (reply === null || isOverPayloadLimit(payload, reply.body.length))
    return gatewayReply(500, "Internal Server Error");
  return reply;
}

/** True where the JSON of the value exceeds Lambda's limit. One byte of body is at most six of JSON, so that small ones are not measured. */
export function isOverPayloadLimit(value: unknown, bodyBytes: number): boolean {
  if (bodyBytes * 6 < lambdaPayloadBytes - 64 * 1024) return false;
  return Buffer.byteLength(JSON.stringify(value)) > lambdaPayloadBytes;
}

function isStructured(payload: unknown): payload is Record<string, unknown> {
  return typeof payload === "object" && payload !== null && Object.hasOwn(payload, "statusCode");
}

/** A result without `statusCode` is the body of a 200. */
function inferredReply(payload: unknown): HttpReply {
  const body = typeof payload === "string" ? payload : JSON.stringify(payload);
  return { status: 200, headers: [["content-type", "application/json"]], body: Buffer.from(body) };
}

/** These belong to the connection between gateway and client. */
const gatewayHeaders = new Set(["connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"]);

function structuredReply(payload: Record<string, unknown>): HttpReply | null {
  const status = Number(payload["statusCode"]);
  const body = payload["body"] ?? "";
  if (!Number.isInteger(status) || status < 200 || status > 599 || typeof body !== "string") return null;
  const headers = readHeaders(payload["headers"]);
  const cookies = readStrings(payload["cookies"]);
  if (headers === null || cookies === null) return null;
  for (const cookie of cookies) headers.push(["set-cookie", cookie]);
  const bytes = Buffer.from(body, payload["isBase64Encoded"] === true ? "base64" : "utf8");
  const isTyped = headers.some(([name]) => name === "content-type");
  if (!isTyped && bytes.length > 0) headers.push(["content-type", "text/plain;charset=UTF-8"]);
  return { status, headers, body: bytes };
}

function readHeaders(value: unknown): [string, string][] | null {
  if (value === undefined || value === null) return [];
  if (typeof value !== "object") return null;
  const headers: [string, string][] = [];
  for (const [name, content] of Object.entries(value)) {
    if (typeof content === "object" && content !== null) return null;
    const lowerName = name.toLowerCase();
    if (content !== undefined && content !== null && !gatewayHeaders.has(lowerName))
      headers.push([lowerName, String(content)]);
  }
  return headers;
}

function readStrings(value: unknown): string[] | null {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : null;
}
