import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { UpgradeQuestion } from "../../../shared/protocol/relay.ts";
import type { FunctionHost, Running } from "../contract.ts";
import { gatewayReply, type HttpReply, lambdaPayloadBytes } from "./http-reply.ts";
import { closeServer, listenOnLoopback, readBody } from "./loopback.ts";
import { newGatewayId } from "./request-ids.ts";
import { restEvent } from "./rest-event.ts";
import { StreamedReply } from "./streamed-reply.ts";
import { passUpgrades, type UpgradeTimes } from "./websocket-pass.ts";

export interface RestApiConfig {
  apiId: string;
  stage: string;
  /** 0 takes a free one. */
  port: number;
  /** Every method and path goes there, and its answer is streamed. */
  functionId: string;
  upgrades?: UpgradeTimes;
}

/** Quotas of REST APIs: a body of 10 MB (Lambda takes 6), headers of 10,240 bytes, an answer of 15 minutes that never rests for 5. */
const quotas = { bodyBytes: 10 * 1024 * 1024, headerBytes: 10_240, answerMs: 15 * 60_000, restMs: 5 * 60_000 };

/**
 * A REST API with one streamed Lambda proxy integration, on 127.0.0.1, as a custom domain shows it: for any Host header, without the stage.
 * Beyond what AWS has, it passes WebSockets on, to where the function says.
 */
export async function startRestApi(
  config: RestApiConfig,
  functions: FunctionHost,
  clock: { now(): number } = Date,
): Promise<Running & { url: string }> {
  const server = createServer({ maxHeaderSize: quotas.headerBytes, keepAliveTimeout: 65_000 }, (request, response) => {
    answer(config, functions, clock, request, response).catch(() => response.destroy());
  });
  const ask = (event: UpgradeQuestion) => functions.invoke(config.functionId, event);
  const upgrades = passUpgrades(server, ask, config.upgrades);
  const port = await listenOnLoopback(server, config.port);
  let stopping: Promise<void> | undefined;
  const stop = () => {
    upgrades.terminate();
    return (stopping ??= closeServer(server));
  };
  return { url: `http://127.0.0.1:${port}`, stop };
}

async function answer(
  api: RestApiConfig,
  functions: FunctionHost,
  clock: { now(): number },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const requestId = newGatewayId();
  const body = await readBody(request, quotas.bodyBytes);
  // Lambda's own limit, of which base64 takes a third.
  if (body === null || body.length * 1.34 > lambdaPayloadBytes)
    return refuse(response, gatewayReply(413, "Request Too Long"));
  if (!(request.url ?? "/").startsWith("/")) return refuse(response, gatewayReply(400, "Bad Request"));
  const event = restEvent({ api, request, body, requestId, nowMs: clock.now() });
  response.setHeader("x-amzn-requestid", requestId);
  // Headers before the first byte, each byte when it comes.
  response.socket?.setNoDelay(true);
  response.setTimeout(quotas.restMs, () => response.destroy());
  const late = setTimeout(() => response.destroy(), quotas.answerMs).unref();
  const reply = new StreamedReply(response);
  const outcome = await functions.invoke(api.functionId, event, reply.sink);
  clearTimeout(late);
  if (outcome.kind === "returned" && reply.hasBegun) response.end();
  else if (reply.hasBegun) response.destroy();
  else if (outcome.kind === "throttled") refuse(response, gatewayReply(429, "Too Many Requests"));
  else refuse(response, gatewayReply(502, "Internal server error"));
}

function refuse(response: ServerResponse, { status, headers, body }: HttpReply): void {
  if (response.destroyed) return;
  response.writeHead(status, Object.fromEntries(headers));
  response.end(body);
}
