import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { APIGatewayProxyEventV2 } from "aws-lambda";

import { localAccount } from "../contract.ts";
import type { RouteMatch } from "./http-routes.ts";
import { clfTime, newTraceId } from "./request-ids.ts";

export interface RequestTarget {
  /** Percent-decoded. */
  path: string;
  /** As sent, without the question mark. */
  query: string;
}

export interface HttpApiRequest {
  api: { apiId: string; stage: string };
  request: IncomingMessage;
  target: RequestTarget;
  body: Buffer;
  match: RouteMatch;
  requestId: string;
  nowMs: number;
}

/**
 * Splits a request target. HTTP APIs hand `rawPath` on decoded, and cut it at a decoded question mark (captures of the live
 * service, hotsock/voker#8). Null where the path is malformed.
 */
export function parseTarget(url: string): RequestTarget | null {
  if (!url.startsWith("/")) return null;
  const mark = url.indexOf("?");
  const query = mark < 0 ? "" : url.slice(mark + 1);
  try {
    const decoded = decodeURIComponent(mark < 0 ? url : url.slice(0, mark));
    return { path: decoded.split("?", 1)[0] ?? "/", query };
  } catch {
    return null;
  }
}

/** The Lambda event of payload format 2.0. `domainName` is the Host header with its port, so that links made of it work here. */
export function httpEvent({
  api,
  request,
  target,
  body,
  match,
  requestId,
  nowMs,
}: HttpApiRequest): APIGatewayProxyEventV2 {
  const domainName = request.headers.host ?? "127.0.0.1";
  const sourceIp = request.socket.remoteAddress ?? "127.0.0.1";
  const cookies = readCookies(request.headers.cookie);
  const isBase64Encoded = body.length > 0 && !isText(request, body);
  const event: APIGatewayProxyEventV2 = {
    version: "2.0",
    routeKey: match.route.routeKey,
    rawPath: target.path,
    rawQueryString: target.query,
    ...(cookies.length > 0 && { cookies }),
    headers: eventHeaders(request, body, sourceIp, nowMs),
    ...(target.query !== "" && { queryStringParameters: joinedQuery(target.query) }),
    requestContext: {
      accountId: localAccount.id,
      apiId: api.apiId,
      domainName,
      domainPrefix: domainName.split(/[.:]/, 1)[0] ?? "",
      http: {
        method: request.method ?? "GET",
        path: target.path,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp,
        userAgent: request.headers["user-agent"] ?? "",
      },
      requestId,
      routeKey: match.route.routeKey,
      stage: api.stage,
      time: clfTime(nowMs),
      timeEpoch: nowMs,
    },
    ...(match.pathParameters && { pathParameters: match.pathParameters }),
    ...(body.length > 0 && { body: body.toString(isBase64Encoded ? "base64" : "utf8") }),
    isBase64Encoded,
  };
  return event;
}

/** Hop-by-hop headers stay with the gateway; cookies have a field of their own. */
const withheldHeaders = new Set([
  "connection",
  "cookie",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
  "expect",
]);

function eventHeaders(request: IncomingMessage, body: Buffer, sourceIp: string, nowMs: number): Record<string, string> {
  const headers = new Map<string, string>();
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = (request.rawHeaders[index] ?? "").toLowerCase();
    const value = request.rawHeaders[index + 1] ?? "";
    if (withheldHeaders.has(name)) continue;
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before},${value}`);
  }
  const forwardedFor = headers.get("x-forwarded-for");
  headers.set("x-forwarded-for", forwardedFor === undefined ? sourceIp : `${forwardedFor}, ${sourceIp}`);
  headers.set("x-forwarded-port", String(request.socket.localPort ?? ""));
  headers.set("x-forwarded-proto", "http");
  if (!headers.has("x-amzn-trace-id")) headers.set("x-amzn-trace-id", newTraceId(nowMs));
  if (body.length > 0) headers.set("content-length", String(body.length));
  return Object.fromEntries([...headers].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function readCookies(header: string | undefined): string[] {
  return (header ?? "")
    .split(";")
    .map((cookie) => cookie.trim())
    .filter((cookie) => cookie !== "");
}

function joinedQuery(query: string): Record<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const before = values.get(name);
    values.set(name, before === undefined ? value : `${before},${value}`);
  }
  return Object.fromEntries(values);
}

/** Known text types arrive as text, all else (forms too) as base64. */
function isText(request: IncomingMessage, body: Buffer): boolean {
  if (request.headers["content-encoding"] !== undefined) return false;
  const type = (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const named = type.startsWith("text/") || /^application\/(.+\+)?(json|xml|javascript)$/.test(type);
  return named && isUtf8(body);
}
