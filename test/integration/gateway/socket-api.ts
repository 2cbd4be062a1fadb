import type { Authenticate, Caller } from "../../../infra/local/contract.ts";
import { startWebSocketApi, type WebSocketApiConfig } from "../../../infra/local/gateway/websocket-api.ts";
import { fakeFunctions, ok, type Handler } from "./fake-functions.ts";
import { openSocket, type SocketClient } from "./socket-client.ts";

export const allowAll: Caller = { roleId: "TestRole", allows: () => true };

export interface SocketApiOptions {
  handlers?: Record<string, Handler>;
  routes?: Record<string, string>;
  responding?: WebSocketApiConfig["responding"];
  limits?: WebSocketApiConfig["limits"];
  authenticate?: Authenticate;
  clock?: { now(): number };
}

export const allRoutes = {
  $connect: "Connect",
  $disconnect: "Disconnect",
  $default: "Frames",
  "sandbox.hello": "Sandbox",
};

/** A WebSocket API with one function per route; all answer 200 unless told otherwise. `stopAll` ends what a test started. */
export function socketApis() {
  const stops: (() => Promise<void>)[] = [];
  return {
    async stopAll(): Promise<void> {
      for (const stop of stops.splice(0)) await stop();
    },
    async start(options: SocketApiOptions = {}) {
      const { handlers, routes = allRoutes, responding = [], limits, authenticate = () => allowAll, clock } = options;
      const functions = fakeFunctions({ Connect: ok, Disconnect: ok, Frames: ok, Sandbox: ok, ...handlers });
      const config = {
        apiId: "ws123",
        stage: "local",
        port: 0,
        routeSelectionExpression: "$request.body.type",
        routes,
        responding,
        limits,
      };
      const api = await startWebSocketApi(config, functions, authenticate, clock);
      stops.push(api.stop);
      const connect = async (options?: Parameters<typeof openSocket>[1]): Promise<SocketClient & { id: string }> => {
        const before = functions.events("Connect").length;
        const client = await openSocket(api.url, options);
        const event = await functions.event<{ requestContext: { connectionId: string } }>("Connect", before);
        return { ...client, id: event.requestContext.connectionId };
      };
      return { ...api, functions, connect };
    },
  };
}
