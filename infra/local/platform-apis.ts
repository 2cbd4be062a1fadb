import type { Authenticate, FunctionHost, Running } from "./contract.ts";
import { startHttpApi } from "./gateway/http-api.ts";
import { startRestApi } from "./gateway/rest-api.ts";
import { startWebSocketApi } from "./gateway/websocket-api.ts";
import { listening, type PlatformPorts } from "./platform-options.ts";
import type {
  Cors,
  DeployedHttpApi,
  DeployedRestApi,
  DeployedStack,
  DeployedWebSocketApi,
} from "./template/deployed-stack.ts";

export interface RunningApis {
  /** By API id: scheme, host and port. */
  httpApis: Record<string, string>;
  /** By API id: host and port. */
  webSocketApis: Record<string, string>;
  httpUrl: string;
  /** With the stage: what clients open. */
  webSocketUrl: string;
  previewUrl: string;
  connectionCount(): number;
}

export interface ApiOptions {
  stack: DeployedStack;
  ports: PlatformPorts;
  functions: FunctionHost;
  authenticate: Authenticate;
  onFrame?: ((text: string) => void) | undefined;
  started: (running: Running) => void;
}

/** Starts every API of the template on this machine. */
export async function startApis(options: ApiOptions): Promise<RunningApis> {
  const { stack } = options;
  const preview = stack.restApis[0];
  const platform = stack.httpApis[0];
  const sockets = stack.webSocketApis[0];
  if (preview === undefined || platform === undefined || sockets === undefined)
    throw new Error("the template lacks an API");
  const httpUrl = await startHttp(options, platform, options.ports.http, "HTTP API");
  const previewUrl = await startPreviews(options, preview);
  const running = await startSockets(options, sockets);
  return {
    httpApis: { [platform.apiId]: httpUrl, [preview.apiId]: previewUrl },
    webSocketApis: { [sockets.apiId]: new URL(running.managementUrl).host },
    httpUrl,
    webSocketUrl: running.url,
    previewUrl,
    connectionCount: () => running.connectionCount(),
  };
}

async function startHttp(options: ApiOptions, api: DeployedHttpApi, port: number, use: string): Promise<string> {
  const config = {
    apiId: api.apiId,
    stage: api.stage,
    port,
    routes: api.routes,
    cors: api.cors === null ? null : corsRules(api.cors),
  };
  const running = await listening(port, use, () => startHttpApi(config, options.functions));
  options.started(running);
  return new URL(running.url).origin;
}

/** Its address carries a session in front: only `localhost` may have subdomains without a name server. */
async function startPreviews(options: ApiOptions, { apiId, stage, functionId }: DeployedRestApi): Promise<string> {
  const port = options.ports.preview;
  const config = { apiId, stage, functionId, port };
  const running = await listening(port, "previews", () => startRestApi(config, options.functions));
  options.started(running);
  return running.url.replace("127.0.0.1", "localhost");
}

async function startSockets(options: ApiOptions, api: DeployedWebSocketApi) {
  const routes = Object.fromEntries(api.routes.map((route) => [route.routeKey, route.functionId]));
  const port = options.ports.webSocket;
  const responding = api.routes.filter(({ responds }) => responds).map(({ routeKey }) => routeKey);
  const { apiId, stage, routeSelection: routeSelectionExpression } = api;
  const config = { apiId, stage, port, routeSelectionExpression, routes, responding };
  const { functions, authenticate, onFrame } = options;
  const running = await listening(port, "WebSocket API", () =>
    startWebSocketApi({ ...config, onFrame }, functions, authenticate),
  );
  options.started(running);
  return running;
}

function corsRules({ maxAgeSeconds, ...rules }: Cors) {
  return { ...rules, maxAge: maxAgeSeconds ?? undefined };
}
