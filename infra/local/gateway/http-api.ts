import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

import type { FunctionHost, Running } from "../contract.ts";
import { isPreflight, preflightReply, withCors, type CorsRules } from "./cors.ts";
import { httpEvent, parseTarget } from "./http-event.ts";
import { gatewayReply, isOverPayloadLimit, replyOf, type HttpReply } from "./http-reply.ts";
import { compileRoutes, type HttpRoute } from "./http-routes.ts";
import { integrate } from "./integration.ts";
import { closeServer, listenOnLoopback, readBody } from "./loopback.ts";
import { newGatewayId } from "./request-ids.ts";

export interface HttpApiConfig {
  apiId: string;
  /** `$default` has no path prefix, any other stage is the first segment. */
  stage: string;
  /** 0 takes a free one. */
  port: number;
  routes: HttpRoute[];
  cors: CorsRules | null;
}

/** Quotas of HTTP APIs: a body of 10 MB, request line and headers together 10,240 bytes, 30 s for an integration. */
const quotas = { bodyBytes: 10 * 1024 * 1024, headerBytes: 10_240, integrationTimeoutMs: 30_000 };

/** An API Gateway HTTP API with Lambda proxy integrations of payload format 2.0, on 127.0.0.1, for any Host header. */
export async function startHttpApi(
  config: HttpApiConfig,
  functions: FunctionHost,
  clock: { now(): number } = Date,
): Promise<Running & { url: string }> {
  const answer = requestAnswerer(config, functions, clock);
  const server = createServer({ maxHeaderSize: quotas.headerBytes, keepAliveTimeout: 65_000 }, (request, response) => {
    const requestId = newGatewayId();
    answer(request, requestId).then(
      (reply) => send(request, response, reply, requestId),
      // The client went away while it sent its body.
      () => response.destroy(),
    );
  });
  const port = await listenOnLoopback(server, config.port);
  let stopping: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${port}${stagePrefix(config.stage)}`,
    stop: () => (stopping ??= closeServer(server)),
  };
}

function requestAnswerer(config: HttpApiConfig, functions: FunctionHost, clock: { now(): number }) {
  const findRoute = compileRoutes(config.routes);
  const prefix = stagePrefix(config.stage);

  async function integrationReply(request: IncomingMessage, body: Buffer, requestId: string): Promise<HttpReply> {
    const target = parseTarget(request.url ?? "/");
    if (target === null) return gatewayReply(400, "Bad Request");
    const isInStage = prefix === "" || target.path === prefix || target.path.startsWith(`${prefix}/`);
    const match = isInStage ? findRoute(request.method ?? "GET", target.path.slice(prefix.length) || "/") : null;
    if (match === null) return gatewayReply(404, "Not Found");
    const event = httpEvent({ api: config, request, target, body, match, requestId, nowMs: clock.now() });
    if (isOverPayloadLimit(event, body.length)) return gatewayReply(413, "Request Entity Too Large");
    const timeoutMs = Math.min(match.route.timeoutMs, quotas.integrationTimeoutMs);
    return replyOf(await integrate(functions, match.route.functionId, event, timeoutMs));
  }

  return async (request: IncomingMessage, requestId: string): Promise<HttpReply> => {
    const { cors } = config;
    const origin = request.headers.origin;
    const body = await readBody(request, quotas.bodyBytes);
    if (cors && origin !== undefined && isPreflight(request)) return preflightReply(cors, origin);
    const reply =
      body === null ? gatewayReply(413, "Request Entity Too Large") : await integrationReply(request, body, requestId);
    return cors ? withCors(cors, origin, reply) : reply;
  };
}

function send(request: IncomingMessage, response: ServerResponse, reply: HttpReply, requestId: string): void {
  if (response.destroyed) return;
  try {
    for (const [name, value] of reply.headers) response.appendHeader(name, value);
  } catch {
    // A header that HTTP cannot carry makes the whole answer of the function malformed.
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    return send(request, response, gatewayReply(500, "Internal Server Error"), requestId);
  }
  response.setHeader("apigw-requestid", requestId);
  const hasBody = reply.status !== 204 && reply.status !== 304;
  if (hasBody) response.setHeader("content-length", reply.body.length);
  response.writeHead(reply.status);
  response.end(hasBody && request.method !== "HEAD" ? reply.body : undefined);
}

function stagePrefix(stage: string): string {
  return stage === "$default" ? "" : `/${stage}`;
}
