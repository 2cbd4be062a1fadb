import type { APIGatewayProxyWebsocketEventV2 } from "aws-lambda";
import { onConnect, type ConnectEvent } from "../../../functions/kit/connect.ts";
import { onSocketFrame } from "../../../functions/kit/websocket.ts";
import { clientLink, type ClientFrameDeps } from "../../../functions/websocket/client-frames.ts";
import { sandboxLink, type SandboxFrameDeps } from "../../../functions/websocket/sandbox-frames.ts";
import { lookAtSession } from "../../../shared/agent/look.ts";
import type { StepDeps } from "../../../shared/agent/step-deps.ts";
import { lookEveryMs } from "../../../shared/agent/stream-answer.ts";
import { readTogether } from "../../../shared/adapters/aws/read-together.ts";
import { dynamoConnectionDoor } from "../../../shared/adapters/connection-door.ts";
import { limitsOf, plansOf } from "../../../shared/config/plans.ts";
import type { PlanName } from "../../../shared/ports/plans.ts";
import type { Model } from "../../../shared/ports/model.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import type { ClientFrame } from "../../../shared/protocol/client-frame.ts";
import type { SandboxFrame } from "../../../shared/protocol/sandbox-frame.ts";
import { fakeGitHosts, fakeProvider, memoryObjects, recordedQueue, recordedSockets, silentLog } from "../fakes.ts";
import { startHttpPlatform } from "../http-platform.ts";
import { meterOf } from "./meter.ts";
import { TranscriptCache } from "../../../shared/agent/transcript-cache.ts";

type Named<T> = T extends { type: string } ? Omit<T, "request_id" | "frame_id"> : never;

const console_ = "https://console.example.test";
/** So long it is from one call to the next: what is written anew differs from what was there. */
const betweenCallsMs = 500;
const eventOf = (connectionId: string, body?: { type: string }, headers?: Record<string, string>) => ({
  requestContext: { connectionId, routeKey: body?.type },
  headers,
  body: body === undefined ? undefined : JSON.stringify(body),
});

/** Every edge over one metered table: HTTP, both kinds of frames, the turn worker. */
export async function startWorld(model: Model, plan: PlanName) {
  const platform = await startHttpPlatform();
  const meter = meterOf(platform.client);
  const { deps, clock } = platform;
  const [sockets, queue, objects] = [recordedSockets(), recordedQueue(), memoryObjects()];
  deps.table = { ...deps.table, client: readTogether(deps.table.client) };
  Object.assign(deps, { sockets, queue, objects, log: silentLog, plans: plansOf({ DEFAULT_PLAN: plan }) });
  const step: StepDeps = {
    ...deps,
    // The model answers at once: the looks of a worker that waits for it are reckoned by its time (`prices.ts`).
    clock: { ...clock, sleep: (ms: number) => (ms === lookEveryMs ? new Promise(() => undefined) : clock.sleep(ms)) },
    objects,
    gitHosts: fakeGitHosts(),
    provider: fakeProvider().provider,
    model,
    turnModel: "rehearsal",
    contextTokens: () => 1_000_000,
    transcripts: new TranscriptCache(),
    system: "You are a test.",
    tools: [],
    price: (counted) => counted.input_tokens * 2 + counted.output_tokens * 10,
    bootSecret: async (sessionId, epoch) => `boot-${sessionId}-${epoch}`,
  };
  const enter = onConnect(() => ({
    door: dynamoConnectionDoor({
      client: platform.client,
      tableName: deps.table.name,
      clock,
      random: () => 0,
      socketsOf: () => limitsOf(plan).sockets,
    }),
    verifier: deps.verifier,
    allowedOrigins: [console_],
    log: silentLog,
  }));
  const clientFrames = onSocketFrame(clientLink, () => ({ ...step, ...deps }) as unknown as ClientFrameDeps);
  const sandboxFrames = onSocketFrame(sandboxLink, () => ({ ...step, ...deps }) as unknown as SandboxFrameDeps);
  let frames = 0;

  function answered(connectionId: string, type: string): void {
    const acks = (sockets.posted.get(connectionId) ?? []) as { type: string; error?: unknown }[];
    const last = acks.findLast((message) => message.type === "ack");
    if (last?.error) throw new Error(`${type} was refused: ${JSON.stringify(last.error)}`);
  }

  async function connect(connectionId: string, headers: Record<string, string>): Promise<void> {
    const answer = await enter(eventOf(connectionId, undefined, headers) as unknown as ConnectEvent);
    if (answer.statusCode !== 200) throw new Error(`connect was refused with ${answer.statusCode}`);
  }

  return {
    platform,
    meter,
    sockets,
    queue,
    objects,
    step,
    connectByTicket: (connectionId: string, ticket: string) =>
      connect(connectionId, {
        "Sec-WebSocket-Protocol": `sandbox.v1, sandbox.token.${ticket}`,
        Origin: console_,
      }),
    connectByToken: (connectionId: string, token: string) =>
      connect(connectionId, { Authorization: `Bearer ${token}` }),

    async say(connectionId: string, frame: Named<ClientFrame>): Promise<void> {
      clock.advance(betweenCallsMs);
      const framed = { ...frame, request_id: `r${(frames += 1)}` };
      await clientFrames(eventOf(connectionId, framed) as unknown as APIGatewayProxyWebsocketEventV2);
      answered(connectionId, frame.type);
    },

    async report(connectionId: string, frame: Named<SandboxFrame>): Promise<void> {
      clock.advance(betweenCallsMs);
      const framed = { ...frame, frame_id: `f${(frames += 1)}` };
      const answer = await sandboxFrames(eventOf(connectionId, framed) as unknown as APIGatewayProxyWebsocketEventV2);
      // The route's response: it costs what a post does.
      if (answer.body !== undefined) await sockets.post(connectionId, answer.body);
      answered(connectionId, frame.type);
    },

    /** What a worker does with the wake-up that is due now. */
    async work(): Promise<void> {
      const at = queue.sent.findIndex(({ delaySeconds }) => delaySeconds === 0);
      const [message] = at < 0 ? [] : queue.sent.splice(at, 1);
      if (!message) throw new Error("no wake-up is due");
      clock.advance(betweenCallsMs);
      await lookAtSession(step, message.wakeUp);
    },

    async http(owner: TokenAnswer, method: string, path: string, body?: unknown) {
      const answer = await platform.send(method, path, body, owner.access_token);
      if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
      return answer.body;
    },
    stop: () => platform.stop(),
  };
}

export type World = Awaited<ReturnType<typeof startWorld>>;
