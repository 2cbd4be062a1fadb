import { startHttpApi } from "../../../infra/local/gateway/http-api.ts";
import { startWebSocketApi } from "../../../infra/local/gateway/websocket-api.ts";
import type { FunctionHost } from "../../../infra/local/contract.ts";
import { routes } from "../../../functions/http/routes.ts";
import { onConnect } from "../../../functions/kit/connect.ts";
import { onDisconnect } from "../../../functions/kit/disconnect.ts";
import { httpHandler } from "../../../functions/kit/http.ts";
import { onSocketFrame } from "../../../functions/kit/websocket.ts";
import { clientLink, type ClientFrameDeps } from "../../../functions/websocket/client-frames.ts";
import { lookAtSession } from "../../../shared/agent/look.ts";
import type { StepDeps } from "../../../shared/agent/step-deps.ts";
import type { WorkQueue } from "../../../shared/ports/work-queue.ts";
import { Scope } from "../../../shared/protocol/permission.ts";
import { fakeGitHosts, memoryObjects, silentLog } from "../../support/fakes.ts";
import { startHttpPlatform } from "../../support/http-platform.ts";
import { socketDriver } from "../../support/socket-driver.ts";
import { chattyModel } from "./chatty-model.ts";
import { fastClock } from "./clock.ts";
import { gatewaySockets } from "./gateway-sockets.ts";
import { lossySockets, type Losses } from "./lossy-sockets.ts";
import { memoryClients } from "./memory-client.ts";
import { talkingSandboxes, type SandboxDeps } from "./talking-sandbox.ts";
import { TranscriptCache } from "../../../shared/agent/transcript-cache.ts";

export interface ReconnectOptions {
  random: () => number;
  losses: Losses;
  /** Share of the model's answers that break off. */
  failing: number;
}

/** The clock's seconds in one real second. */
const speed = 5;

/** The gateway with real sockets, the real handlers and the real engine; only the model, the queue and the sandbox are ours. */
export async function startReconnectPlatform({ random, losses, failing }: ReconnectOptions) {
  const platform = await startHttpPlatform();
  const memory = memoryClients();
  Object.assign(platform.deps.table, { client: memory.document });
  Object.assign(platform.client, memory.plain);
  const clock = Object.assign(platform.clock, fastClock(speed));
  const { door, keyOf } = socketDriver(() => platform);
  const connectDeps = { door: door(), verifier: platform.deps.verifier, allowedOrigins: [], log: silentLog };
  const tenant = { id: "" };
  const handlers: Record<string, (event: never) => Promise<unknown>> = {
    Http: httpHandler(routes, () => platform.deps) as (event: never) => Promise<unknown>,
    Connect: onConnect(() => connectDeps),
    Disconnect: onDisconnect(() => ({ table: platform.deps.table, queue, log: silentLog })),
    Frames: onSocketFrame(clientLink, () => platform.deps as unknown as ClientFrameDeps),
  };
  const functions: FunctionHost = {
    invoke: async (id, event) => ({ kind: "returned", payload: await handlers[id]?.(event as never) }),
  };
  const http = await startHttpApi(
    {
      apiId: "http",
      stage: "$default",
      port: 0,
      routes: [{ routeKey: "$default", functionId: "Http", timeoutMs: 29_000 }],
      cors: null,
    },
    functions,
    clock,
  );
  const sockets = await startWebSocketApi(
    {
      apiId: "sockets",
      stage: "local",
      port: 0,
      routeSelectionExpression: "$request.body.type",
      routes: { $connect: "Connect", $disconnect: "Disconnect", $default: "Frames" },
    },
    functions,
    () => ({ roleId: "test", allows: () => true }),
  );
  const management = gatewaySockets(sockets.managementUrl);
  const lossy = lossySockets(management, losses, random);
  const sandboxes = talkingSandboxes(
    () => deps,
    (session_id) => ({ tenant_id: tenant.id, session_id }),
  );
  const work = workQueue((wakeUp) => lookAtSession(deps, wakeUp), speed);
  const queue: WorkQueue = work.queue;
  const objects = memoryObjects();
  Object.assign(platform.deps, { sockets: sandboxes.sockets(lossy.sockets), queue, objects });
  const { gitHosts: _gitHosts, ...httpDeps } = platform.deps;
  const deps: StepDeps & SandboxDeps = {
    ...httpDeps,
    objects,
    gitHosts: fakeGitHosts(),
    log: silentLog,
    provider: sandboxes.provider,
    model: chattyModel({ random, sleep: (ms) => clock.sleep(ms), failing }),
    turnModel: "rehearsal",
    contextTokens: () => 1_000_000,
    transcripts: new TranscriptCache(),
    system: "You are a test.",
    tools: [],
    price: () => 1,
    bootSecret: async () => "boot",
  };
  const owner = await platform.register();
  tenant.id = owner.tenant.id;
  const { key } = await keyOf(owner, Scope.options);
  return {
    key,
    httpUrl: http.url,
    webSocketUrl: sockets.url,
    lossy: lossy.counted,
    workFailures: work.failures,
    async stop() {
      await work.stop();
      await sandboxes.stop();
      await sockets.stop();
      await http.stop();
      management.stop();
      await platform.stop();
    },
  };
}

export type ReconnectPlatform = Awaited<ReturnType<typeof startReconnectPlatform>>;

/** A queue whose messages are worked off by themselves, each once. */
function workQueue(look: (wakeUp: Parameters<WorkQueue["send"]>[0]) => Promise<void>, factor: number) {
  const timers = new Set<NodeJS.Timeout>();
  const working = new Set<Promise<void>>();
  const failures: string[] = [];
  let stopped = false;
  const queue: WorkQueue = {
    send: async (wakeUp, delaySeconds = 0) => {
      if (stopped) return;
      const timer = setTimeout(
        () => {
          timers.delete(timer);
          const running = look(wakeUp).catch((error: unknown) => void failures.push(String(error)));
          working.add(running);
          void running.finally(() => working.delete(running));
        },
        (delaySeconds * 1000) / factor,
      );
      timers.add(timer);
    },
  };
  return {
    queue,
    failures,
    async stop() {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
      await Promise.all(working);
    },
  };
}
