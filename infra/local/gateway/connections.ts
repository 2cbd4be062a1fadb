import type { WebSocket } from "ws";

import { newGatewayId } from "./request-ids.ts";
import type { WebSocketLimits } from "./websocket-limits.ts";

/** One WebSocket. It is known to `@connections` from the end of `$connect` until it begins to close. */
export interface Connection {
  readonly id: string;
  readonly connectedAt: number;
  readonly identity: { sourceIp: string; userAgent?: string };
  readonly domainName: string;
  lastActiveAt: number;
}

export interface OpenConnection extends Connection {
  readonly socket: WebSocket;
}

export interface Closing {
  code: number;
  reason: string;
}

interface Entry {
  connection: OpenConnection;
  idle: NodeJS.Timeout;
  life: NodeJS.Timeout;
}

export interface Connections {
  get(id: string): OpenConnection | undefined;
  count(): number;
  all(): OpenConnection[];
  add(connection: OpenConnection): void;
  /** A message passed, in either direction. */
  touch(connection: OpenConnection): void;
  /** Forgets the connection, closes the socket and reports it. Does nothing the second time. */
  end(connection: OpenConnection, closing: Closing): void;
  /** One text message as frames within the limit. A cut inside a character is legal: only the whole message must be UTF-8. */
  send(connection: OpenConnection, message: Buffer): void;
}

const goingAway: Closing = { code: 1001, reason: "Going away" };

export function newConnection(
  request: { sourceIp: string; userAgent: string | undefined; domainName: string },
  nowMs: number,
): Connection {
  const { sourceIp, userAgent, domainName } = request;
  const identity = { ...(userAgent !== undefined && { userAgent }), sourceIp };
  return { id: newGatewayId(), connectedAt: nowMs, lastActiveAt: nowMs, identity, domainName };
}

/** The open connections of one API, with their idle and life timers. */
export function openConnections(
  limits: WebSocketLimits,
  clock: { now(): number },
  onEnd: (connection: OpenConnection, closing: Closing) => void,
): Connections {
  const entries = new Map<string, Entry>();

  function end(connection: OpenConnection, closing: Closing): void {
    const entry = entries.get(connection.id);
    if (entry === undefined) return;
    entries.delete(connection.id);
    clearTimeout(entry.idle);
    clearTimeout(entry.life);
    closeSocket(connection.socket, closing, limits.closeTimeoutMs);
    onEnd(connection, closing);
  }

  // Only messages count. AWS says "idle" without more, users report that a connection on which no messages pass is closed after
  // ten minutes; whether ping frames would hold it open is not documented, so that nothing here may rely on them.
  function touch(connection: OpenConnection): void {
    connection.lastActiveAt = clock.now();
    entries.get(connection.id)?.idle.refresh();
  }

  return {
    get: (id) => entries.get(id)?.connection,
    count: () => entries.size,
    all: () => [...entries.values()].map((entry) => entry.connection),
    add(connection) {
      const idle = setTimeout(() => end(connection, goingAway), limits.idleMs).unref();
      const life = setTimeout(() => end(connection, goingAway), limits.lifetimeMs).unref();
      entries.set(connection.id, { connection, idle, life });
    },
    touch,
    end,
    send(connection, message) {
      sendFrames(connection.socket, message, limits.frameBytes);
      touch(connection);
    },
  };
}

function sendFrames(socket: WebSocket, message: Buffer, frameBytes: number): void {
  if (message.length <= frameBytes) return socket.send(message, { binary: false });
  for (let at = 0; at < message.length; at += frameBytes) {
    socket.send(message.subarray(at, at + frameBytes), { binary: false, fin: at + frameBytes >= message.length });
  }
}

/** A peer that does not answer the close frame, or does not read, is cut off. */
function closeSocket(socket: WebSocket, closing: Closing, timeoutMs: number): void {
  if (socket.readyState === socket.CLOSED) return;
  const timer = setTimeout(() => socket.terminate(), timeoutMs).unref();
  socket.once("close", () => clearTimeout(timer));
  if (isSendable(closing.code)) socket.close(closing.code, closing.reason);
  else socket.close();
}

function isSendable(code: number): boolean {
  return (
    code >= 1000 && code !== 1004 && code !== 1005 && code !== 1006 && code < 5000 && !(code > 1014 && code < 3000)
  );
}
