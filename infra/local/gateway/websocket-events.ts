import type { IncomingMessage } from "node:http";

import type { Closing, Connection } from "./connections.ts";
import { clfTime, newGatewayId, newTraceId } from "./request-ids.ts";

type Strings = Record<string, string>;
type StringLists = Record<string, string[]>;

interface RequestContext {
  routeKey: string;
  eventType: "CONNECT" | "MESSAGE" | "DISCONNECT";
  extendedRequestId: string;
  requestTime: string;
  messageDirection: "IN";
  stage: string;
  connectedAt: number;
  requestTimeEpoch: number;
  identity: Connection["identity"];
  requestId: string;
  domainName: string;
  connectionId: string;
  apiId: string;
}

export interface ConnectEvent {
  headers: Strings;
  multiValueHeaders: StringLists;
  queryStringParameters?: Strings;
  multiValueQueryStringParameters?: StringLists;
  requestContext: RequestContext;
  isBase64Encoded: false;
}

export interface MessageEvent {
  requestContext: RequestContext & { messageId: string };
  body: string;
  isBase64Encoded: false;
}

export interface DisconnectEvent {
  headers: Strings;
  multiValueHeaders: StringLists;
  requestContext: RequestContext & { disconnectStatusCode: number; disconnectReason: string };
  isBase64Encoded: false;
}

/** The events of one WebSocket API, field for field as the service sends them. */
export interface EventWriter {
  connect(connection: Connection, request: IncomingMessage): ConnectEvent;
  message(connection: Connection, routeKey: string, body: string): MessageEvent;
  disconnect(connection: Connection, closing: Closing): DisconnectEvent;
}

export function eventWriter(api: { apiId: string; stage: string }, clock: { now(): number }): EventWriter {
  function context(connection: Connection, routeKey: string, eventType: RequestContext["eventType"]): RequestContext {
    const nowMs = clock.now();
    const requestId = newGatewayId();
    return {
      routeKey,
      eventType,
      extendedRequestId: requestId,
      requestTime: clfTime(nowMs),
      messageDirection: "IN",
      stage: api.stage,
      connectedAt: connection.connectedAt,
      requestTimeEpoch: nowMs,
      identity: connection.identity,
      requestId,
      domainName: connection.domainName,
      connectionId: connection.id,
      apiId: api.apiId,
    };
  }

  return {
    connect(connection, request) {
      const headers = connectHeaders(connection, request, clock.now());
      const query = readQuery(request.url ?? "");
      return {
        headers: lastOf(headers),
        multiValueHeaders: headers,
        ...(query && { queryStringParameters: lastOf(query), multiValueQueryStringParameters: query }),
        requestContext: context(connection, "$connect", "CONNECT"),
        isBase64Encoded: false,
      };
    },
    message(connection, routeKey, body) {
      const requestContext = context(connection, routeKey, "MESSAGE");
      return {
        requestContext: { ...requestContext, messageId: requestContext.requestId },
        body,
        isBase64Encoded: false,
      };
    },
    disconnect(connection, { code, reason }) {
      const headers = { Host: [connection.domainName], "x-api-key": [""], "X-Forwarded-For": [""], "x-restapi": [""] };
      const requestContext = context(connection, "$disconnect", "DISCONNECT");
      return {
        headers: lastOf(headers),
        multiValueHeaders: headers,
        requestContext: { ...requestContext, disconnectStatusCode: code, disconnectReason: reason },
        isBase64Encoded: false,
      };
    },
  };
}

const withheldHeaders = new Set(["connection", "upgrade"]);

/** Names as the client wrote them. */
function connectHeaders(connection: Connection, request: IncomingMessage, nowMs: number): StringLists {
  const headers = new Map<string, string[]>();
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] ?? "";
    if (withheldHeaders.has(name.toLowerCase())) continue;
    headers.set(name, [...(headers.get(name) ?? []), request.rawHeaders[index + 1] ?? ""]);
  }
  headers.set("X-Amzn-Trace-Id", [newTraceId(nowMs)]);
  headers.set("X-Forwarded-For", [connection.identity.sourceIp]);
  headers.set("X-Forwarded-Port", [String(request.socket.localPort ?? "")]);
  headers.set("X-Forwarded-Proto", ["http"]);
  return Object.fromEntries(headers);
}

function readQuery(url: string): StringLists | null {
  const mark = url.indexOf("?");
  if (mark < 0 || mark === url.length - 1) return null;
  const values = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(url.slice(mark + 1)))
    values.set(name, [...(values.get(name) ?? []), value]);
  return Object.fromEntries(values);
}

function lastOf(lists: StringLists): Strings {
  return Object.fromEntries(Object.entries(lists).map(([name, values]) => [name, values.at(-1) ?? ""]));
}
