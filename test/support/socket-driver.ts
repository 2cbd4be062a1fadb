import { randomUUID } from "node:crypto";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { onConnect, type ConnectEvent } from "../../functions/kit/connect.ts";
import { onDisconnect } from "../../functions/kit/disconnect.ts";
import { onSocketFrame } from "../../functions/kit/websocket.ts";
import { clientLink, type ClientFrameDeps } from "../../functions/websocket/client-frames.ts";
import { sandboxLink, type SandboxFrameDeps } from "../../functions/websocket/sandbox-frames.ts";
import { dynamoConnectionDoor } from "../../shared/adapters/connection-door.ts";
import { limitsOf } from "../../shared/config/plans.ts";
import { rows } from "../../shared/data/service.ts";
import type { PlanName } from "../../shared/ports/plans.ts";
import type { TokenAnswer } from "../../shared/protocol/account.ts";
import { silentLog, type recordedSockets } from "./fakes.ts";
import type { HttpPlatform } from "./http-platform.ts";

export interface Reply {
  type: string;
  request_id?: string;
  frame_id?: string;
  error?: { code: string };
  result?: Record<string, unknown>;
  [field: string]: unknown;
}

export const consoleOrigin = "https://console.example.test";
export const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
export const offer = (ticket: string) => ({ "Sec-WebSocket-Protocol": `sandbox.v1, sandbox.token.${ticket}` });

const event = (connectionId: string, body?: string, headers?: Record<string, string>, routeKey = "$default") =>
  ({ requestContext: { connectionId, routeKey }, body, headers }) as unknown as ConnectEvent;

/** By which API Gateway chooses the function: a text that is no JSON has none. */
export const routeOf = (frame: unknown): string | undefined =>
  typeof frame === "object" && frame !== null && "type" in frame ? String(frame.type) : undefined;

/** WebSockets over the real handlers of an HTTP platform: the socket itself is the recorded one. */
export function socketDriver(platform: () => HttpPlatform, options: { plan?: PlanName } = {}) {
  const sockets = () => platform().deps.sockets as ReturnType<typeof recordedSockets>;

  function door(client: DynamoDBClient = platform().client) {
    const { clock, table } = platform().deps;
    const socketsOf = (plan?: string) => limitsOf((plan ?? options.plan ?? "unlimited") as PlanName).sockets;
    return dynamoConnectionDoor({ client, tableName: table.name, clock, random: Math.random, socketsOf });
  }

  async function connect(
    headers: Record<string, string>,
    via = door(),
    connectionId: string = randomUUID(),
    queryStringParameters: Record<string, string> = {},
  ) {
    const { verifier } = platform().deps;
    const deps = { door: via, verifier, allowedOrigins: [consoleOrigin], log: silentLog };
    const opening = { ...event(connectionId, undefined, headers), queryStringParameters } as ConnectEvent;
    const answer = await onConnect(() => deps)(opening);
    return { ...answer, connectionId };
  }

  const posted = (connectionId: string) => (sockets().posted.get(connectionId) ?? []) as Reply[];
  const lastAck = (connectionId: string, before: number) =>
    posted(connectionId)
      .slice(before)
      .findLast(({ type }) => type === "ack");

  /** Sends a user's frame; its answer, or undefined where there was none. */
  async function say(connectionId: string, frame: unknown): Promise<Reply | undefined> {
    const before = posted(connectionId).length;
    const handler = onSocketFrame(clientLink, () => platform().deps as unknown as ClientFrameDeps);
    await handler(event(connectionId, typeof frame === "string" ? frame : JSON.stringify(frame)));
    return lastAck(connectionId, before);
  }

  /** The same of a sandbox. */
  async function report(connectionId: string, frame: unknown): Promise<Reply | undefined> {
    const before = posted(connectionId).length;
    const handler = onSocketFrame(sandboxLink, () => platform().deps as unknown as SandboxFrameDeps);
    const { body } = await handler(
      event(connectionId, typeof frame === "string" ? frame : JSON.stringify(frame), undefined, routeOf(frame)),
    );
    // The route's response.
    if (body !== undefined) await sockets().post(connectionId, body);
    return lastAck(connectionId, before);
  }

  async function ticketOf(who: TokenAnswer): Promise<string> {
    const answer = await platform().send("POST", "/ws-tickets", undefined, who.access_token);
    return String(answer.body["ticket"]);
  }

  async function keyOf(who: TokenAnswer, scopes: string[], more: Record<string, unknown> = {}) {
    const made = await platform().send("POST", "/api-keys", { name: "CI", scopes, ...more }, who.access_token);
    if (made.status !== 201) throw new Error(`POST /api-keys answered ${made.status}: ${made.text}`);
    return made.body as { id: string; key: string };
  }

  return {
    door,
    connect,
    posted,
    say,
    report,
    ticketOf,
    keyOf,
    isClosed: (connectionId: string) => sockets().closed.includes(connectionId),
    fate: () => sockets().fate,

    async userConnection(who: TokenAnswer): Promise<string> {
      return (await connect(bearer(who.access_token))).connectionId;
    },

    async sandboxConnection(tenantId: string, sessionId: string, epoch = 1): Promise<string> {
      const { token } = await platform().deps.sandboxTokens.mint({ tenantId, sessionId, epoch });
      return (await connect(bearer(token))).connectionId;
    },

    async disconnect(connectionId: string): Promise<void> {
      const { table, queue } = platform().deps;
      await onDisconnect(() => ({ table, queue: queue as never, log: silentLog }))(event(connectionId));
    },

    async rowOf(connection_id: string) {
      return (await rows(platform().deps.table).entities.connection.get({ connection_id }).go({ consistent: true }))
        .data;
    },

    /** Every row of the tenant's side. */
    async ofTenant(tenant_id: string) {
      const query = rows(platform().deps.table).entities.tenantConnection.query.byHolder({ tenant_id });
      return (await query.go({ pages: "all", consistent: true })).data;
    },
  };
}
