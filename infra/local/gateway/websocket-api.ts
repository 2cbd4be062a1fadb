import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

import type { Authenticate, FunctionHost, Running } from "../contract.ts";
import { acceptUpgrades } from "./upgrades.ts";
import { connectionRequests } from "./connection-requests.ts";
import { openConnections, type Closing, type Connection } from "./connections.ts";
import { integrate } from "./integration.ts";
import { closeServer, listenOnLoopback } from "./loopback.ts";
import { messageRouter } from "./messages.ts";
import { eventWriter } from "./websocket-events.ts";
import { awsWebSocketLimits, type WebSocketLimits } from "./websocket-limits.ts";

export interface WebSocketApiConfig {
  apiId: string;
  stage: string;
  /** 0 takes a free one. */
  port: number;
  /** `$request.body.type` */
  routeSelectionExpression: string;
  /** Function ids by route key: `$connect`, `$disconnect`, `$default` and the values of the expression. */
  routes: Record<string, string>;
  /** Route keys with a route response: what their function answers goes to the sender. By default none. */
  responding?: readonly string[];
  limits?: Partial<WebSocketLimits>;
  /** Each message before its function. */
  onFrame?: ((text: string) => void) | undefined;
}

export interface RunningWebSocketApi extends Running {
  /** `ws://127.0.0.1:{port}/{stage}` */
  url: string;
  /** The endpoint of `@connections`: `http://127.0.0.1:{port}/{stage}` */
  managementUrl: string;
  connectionCount(): number;
}

/** An API Gateway WebSocket API with Lambda proxy integrations, and its `@connections` API, on 127.0.0.1. */
export async function startWebSocketApi(
  config: WebSocketApiConfig,
  functions: FunctionHost,
  authenticate: Authenticate,
  clock: { now(): number } = Date,
): Promise<RunningWebSocketApi> {
  const limits = { ...awsWebSocketLimits, ...config.limits };
  const events = eventWriter(config, clock);
  const routes = new Map(Object.entries(config.routes));
  const disconnects = new Set<Promise<unknown>>();

  function reportEnd(connection: Connection, closing: Closing): void {
    const functionId = routes.get("$disconnect");
    if (functionId === undefined) return;
    const invocation = integrate(
      functions,
      functionId,
      events.disconnect(connection, closing),
      limits.integrationTimeoutMs,
    );
    disconnects.add(invocation);
    void invocation.finally(() => disconnects.delete(invocation));
  }

  const connections = openConnections(limits, clock, reportEnd);
  const onMessage = messageRouter({ config, routes, functions, limits, events, connections });
  const server = createServer(
    { keepAliveTimeout: 65_000 },
    connectionRequests(config, limits, connections, authenticate),
  );
  const upgrades = acceptUpgrades({
    server,
    stage: config.stage,
    routes,
    functions,
    limits,
    events,
    connections,
    clock,
    onMessage,
    reportEnd,
  });
  const port = await listenOnLoopback(server, config.port);

  async function stop(): Promise<void> {
    upgrades.refuse();
    for (const connection of connections.all()) connections.end(connection, { code: 1001, reason: "Going away" });
    const limit = new AbortController();
    const waited = delay(limits.stopTimeoutMs, undefined, { signal: limit.signal }).catch(() => undefined);
    // The functions may still post to `@connections`: the server goes last.
    await Promise.race([Promise.all([...disconnects, upgrades.closed()]), waited]);
    limit.abort();
    upgrades.terminate();
    await closeServer(server);
  }

  let stopping: Promise<void> | undefined;
  return {
    url: `ws://127.0.0.1:${port}/${config.stage}`,
    managementUrl: `http://127.0.0.1:${port}/${config.stage}`,
    connectionCount: () => connections.count(),
    stop: () => (stopping ??= stop()),
  };
}
