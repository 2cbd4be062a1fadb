import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";

import type { FunctionHost } from "../contract.ts";
import { askConnectRoute, type Admission } from "./connect-route.ts";
import { newConnection, type Closing, type Connection, type Connections, type OpenConnection } from "./connections.ts";
import { frameSizes } from "./frame-sizes.ts";
import type { EventWriter } from "./websocket-events.ts";
import type { WebSocketLimits } from "./websocket-limits.ts";

export interface Upgrading {
  server: Server;
  stage: string;
  routes: Map<string, string>;
  functions: FunctionHost;
  limits: WebSocketLimits;
  events: EventWriter;
  connections: Connections;
  clock: { now(): number };
  onMessage(connection: OpenConnection, text: string): void;
  reportEnd(connection: Connection, closing: Closing): void;
}

export interface Upgrades {
  /** No new connections. */
  refuse(): void;
  /** All sockets have finished closing. */
  closed(): Promise<void>;
  /** Cuts what is left, handshakes under way too: the port is free only then. */
  terminate(): void;
}

interface Pending {
  connection: Connection;
  subprotocol: string | null;
  isOpen: boolean;
}

type Verified = (isAccepted: boolean, status?: number, body?: string, headers?: Record<string, string>) => void;

const unavailable = JSON.stringify({ message: "Service Unavailable" });
const forbidden = JSON.stringify({ message: "Forbidden" });
const clientLost: Closing = { code: 1006, reason: "Connection Closed Abnormally" };

/** Takes upgrade requests: `ws` checks the handshake, `$connect` decides, and only then is the upgrade answered. */
export function acceptUpgrades(upgrading: Upgrading): Upgrades {
  const { server, stage, limits, connections } = upgrading;
  const pendings = new WeakMap<IncomingMessage, Pending>();
  const streams = new Set<Duplex>();
  let isRefusing = false;

  const acceptor = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: limits.messageBytes,
    // The header of the `$connect` function is echoed as it is (below), nothing else is offered back.
    handleProtocols: () => false,
    verifyClient: ({ req }: { req: IncomingMessage }, verified: Verified) => {
      const json = { "content-type": "application/json" };
      if (isRefusing) return verified(false, 503, unavailable, json);
      const path = (req.url ?? "").split("?", 1)[0];
      if (path !== `/${stage}` && path !== `/${stage}/`) return verified(false, 403, forbidden, json);
      void admit(upgrading, pendings, req).then((admission) => {
        if (admission.kind === "refused") verified(false, admission.status, admission.body, json);
        else if (isRefusing) verified(false, 503, unavailable, json);
        else verified(true);
      });
    },
  });
  acceptor.on("headers", (headers, request) => {
    const subprotocol = pendings.get(request)?.subprotocol ?? null;
    if (subprotocol !== null) headers.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
  });
  server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    streams.add(stream);
    stream.once("close", () => streams.delete(stream));
    acceptor.handleUpgrade(request, stream, head, (socket) => {
      const pending = pendings.get(request);
      if (pending === undefined) return socket.terminate();
      pending.isOpen = true;
      const connection = Object.assign(pending.connection, { socket });
      connections.add(connection);
      watch(upgrading, connection, stream);
    });
  });

  return {
    refuse: () => {
      isRefusing = true;
    },
    closed: async () => {
      await Promise.all([...acceptor.clients].map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    },
    terminate: () => {
      for (const stream of streams) stream.destroy();
    },
  };
}

async function admit(
  upgrading: Upgrading,
  pendings: WeakMap<IncomingMessage, Pending>,
  request: IncomingMessage,
): Promise<Admission> {
  const { routes, functions, limits, events, clock, reportEnd } = upgrading;
  const { headers, socket } = request;
  const domainName = headers.host ?? "127.0.0.1";
  const sourceIp = socket.remoteAddress ?? "127.0.0.1";
  const connection = newConnection({ sourceIp, domainName, userAgent: headers["user-agent"] }, clock.now());
  const route = { functionId: routes.get("$connect"), functions, timeoutMs: limits.integrationTimeoutMs };
  const admission = await askConnectRoute(route, events, connection, request);
  if (admission.kind === "refused") return admission;
  const pending: Pending = { connection, subprotocol: admission.subprotocol, isOpen: false };
  pendings.set(request, pending);
  // `$connect` counted this connection in: a client that has left meanwhile must be counted out.
  const countOut = () => {
    if (!pending.isOpen) reportEnd(connection, clientLost);
  };
  if (socket.destroyed) countOut();
  else socket.once("close", countOut);
  return admission;
}

/** Messages in, and every way a connection can end. */
function watch({ limits, connections, onMessage }: Upgrading, connection: OpenConnection, stream: Duplex): void {
  const { socket } = connection;
  let messages = 0;
  let complete = 0;
  /** Messages up to here came before the frame that broke a limit. */
  let accepted = Infinity;

  const readSizes = frameSizes((frame) => {
    if (frame.payloadBytes > limits.frameBytes && accepted === Infinity) {
      accepted = complete;
      // After this chunk has passed through ws: what was whole before the frame still counts.
      process.nextTick(() => connections.end(connection, { code: 1009, reason: "Message too long" }));
    }
    if (frame.isFinal && !frame.isControl) complete += 1;
  });
  // Before the listener of ws, so that sizes are known before the messages are.
  stream.prependListener("data", readSizes);

  socket.on("message", (data: Buffer, isBinary: boolean) => {
    messages += 1;
    if (messages > accepted || connections.get(connection.id) === undefined) return;
    if (isBinary) return connections.end(connection, { code: 1003, reason: "Binary is not supported" });
    onMessage(connection, data.toString("utf8"));
  });
  socket.on("error", (error: Error & { code?: string }) => connections.end(connection, protocolFailure(error.code)));
  socket.on("close", (code, reason) => connections.end(connection, clientClosing(code, reason.toString("utf8"))));
}

const tooLong = new Set(["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH"]);

/** `ws` has already sent the close frame for these. */
function protocolFailure(code: string | undefined): Closing {
  if (code !== undefined && tooLong.has(code)) return { code: 1009, reason: "Message too long" };
  if (code === "WS_ERR_INVALID_UTF8") return { code: 1007, reason: "Invalid UTF-8" };
  return code?.startsWith("WS_ERR_") ? { code: 1002, reason: "Protocol error" } : clientLost;
}

function clientClosing(code: number, reason: string): Closing {
  if (code === 1005) return { code, reason: "Client-side close frame status not set" };
  return code === 1006 ? clientLost : { code, reason };
}
