import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

import { localAccount, type Authenticate } from "../contract.ts";
import type { Connections, OpenConnection } from "./connections.ts";
import { readBody } from "./loopback.ts";
import type { WebSocketLimits } from "./websocket-limits.ts";

interface Answer {
  status: number;
  errorType?: string;
  body?: string;
}

const forbidden = (message: string) => failure(403, "ForbiddenException", message);
const gone = failure(410, "GoneException", "Gone");
const tooLarge = failure(413, "PayloadTooLargeException", "Message too long");
const tooMany = failure(429, "LimitExceededException", "The client's buffer is full");

/**
 * The `@connections` API: POST, GET and DELETE of `/{stage}/@connections/{id}`, signed, and allowed by
 * `execute-api:ManageConnections` on that method and connection.
 */
export function connectionRequests(
  api: { apiId: string; stage: string },
  limits: WebSocketLimits,
  connections: Connections,
  authenticate: Authenticate,
): (request: IncomingMessage, response: ServerResponse) => void {
  const prefix = `/${api.stage}/@connections/`;
  const { partition, region, id: account } = localAccount;
  const resource = `arn:${partition}:execute-api:${region}:${account}:${api.apiId}/${api.stage}`;
  const post = (connection: OpenConnection, body: Buffer): Answer => {
    if (connection.socket.bufferedAmount > limits.sendBufferBytes) return tooMany;
    connections.send(connection, body);
    return { status: 200 };
  };

  async function answer(request: IncomingMessage): Promise<Answer> {
    const body = await readBody(request, limits.messageBytes);
    const id = connectionId(request.url ?? "", prefix);
    if (id === null) return forbidden("Forbidden");
    if (body === null) return tooLarge;
    const caller = authenticate(request, body);
    if (caller === null) return forbidden("The request has no valid signature");
    const method = request.method ?? "";
    const arn = `${resource}/${method}/@connections/${id}`;
    if (!caller.allows("execute-api:ManageConnections", arn)) {
      return forbidden(
        `${caller.roleId} is not authorized to perform: execute-api:ManageConnections on resource: ${arn}`,
      );
    }
    const connection = connections.get(id);
    if (connection === undefined) return gone;
    if (method === "POST") return post(connection, body);
    if (method === "GET") return { status: 200, body: describe(connection) };
    if (method !== "DELETE") return forbidden("Forbidden");
    connections.end(connection, { code: 1000, reason: "Connection Closed Normally" });
    return { status: 204 };
  }

  return (request, response) => {
    answer(request).then(
      (result) => send(response, result),
      // The caller went away while it sent its body.
      () => response.destroy(),
    );
  };
}

function failure(status: number, errorType: string, message: string): Answer {
  return { status, errorType, body: JSON.stringify({ message }) };
}

function connectionId(url: string, prefix: string): string | null {
  const path = url.split("?", 1)[0] ?? "";
  try {
    const decoded = decodeURIComponent(path);
    const id = decoded.startsWith(prefix) ? decoded.slice(prefix.length) : "";
    return id === "" || id.includes("/") ? null : id;
  } catch {
    return null;
  }
}

function describe({ connectedAt, identity, lastActiveAt }: OpenConnection): string {
  return JSON.stringify({
    connectedAt: new Date(connectedAt).toISOString(),
    identity,
    lastActiveAt: new Date(lastActiveAt).toISOString(),
  });
}

function send(response: ServerResponse, { status, errorType, body = "" }: Answer): void {
  const headers: Record<string, string | number> = { "x-amzn-RequestId": randomUUID() };
  if (status !== 204) headers["content-length"] = Buffer.byteLength(body);
  if (body !== "") headers["content-type"] = "application/json";
  if (errorType !== undefined) headers["x-amzn-ErrorType"] = errorType;
  response.writeHead(status, headers);
  response.end(body);
}
