import type { IncomingMessage } from "node:http";

import type { FunctionHost } from "../contract.ts";
import type { Connection } from "./connections.ts";
import { integrate, type IntegrationOutcome } from "./integration.ts";
import type { EventWriter } from "./websocket-events.ts";

export type Admission =
  | { kind: "accepted"; subprotocol: string | null }
  | { kind: "refused"; status: number; body: string };

/**
 * Asks `$connect` whether the connection may open. Its non-2xx `statusCode` is the status of the handshake; a function that fails
 * or answers without a status is 502, our timeout 504, a throttled function 500. No `$connect` route admits everyone.
 */
export async function askConnectRoute(
  route: { functionId: string | undefined; functions: FunctionHost; timeoutMs: number },
  events: EventWriter,
  connection: Connection,
  request: IncomingMessage,
): Promise<Admission> {
  if (route.functionId === undefined) return { kind: "accepted", subprotocol: null };
  const event = events.connect(connection, request);
  const outcome = await integrate(route.functions, route.functionId, event, route.timeoutMs);
  const admission = admissionOf(outcome);
  if (admission.kind === "accepted") return admission;
  const body = gatewayMessage(admission.message, connection.id, event.requestContext.requestId);
  return { kind: "refused", status: admission.status, body };
}

/** What API Gateway itself says to a client, spaces included. */
export function gatewayMessage(message: string, connectionId: string, requestId: string): string {
  return `{"message": ${JSON.stringify(message)}, "connectionId":"${connectionId}", "requestId":"${requestId}"}`;
}

/** True where a proxy integration can use the result at all. */
export function hasStatusCode(payload: unknown): payload is { statusCode: unknown } & Record<string, unknown> {
  if (typeof payload !== "object" || payload === null || !("statusCode" in payload)) return false;
  const status = Number(payload.statusCode);
  return Number.isInteger(status) && status >= 200 && status <= 599;
}

type Verdict = { kind: "accepted"; subprotocol: string | null } | { kind: "refused"; status: number; message: string };

function admissionOf(outcome: IntegrationOutcome): Verdict {
  if (outcome.kind === "integration_timeout")
    return { kind: "refused", status: 504, message: "Endpoint request timed out" };
  if (outcome.kind === "throttled") return { kind: "refused", status: 500, message: "Internal server error" };
  if (outcome.kind !== "returned" || !hasStatusCode(outcome.payload)) {
    return { kind: "refused", status: 502, message: "Internal server error" };
  }
  const status = Number(outcome.payload.statusCode);
  if (status >= 300) return { kind: "refused", status, message: refusalMessages[status] ?? "Forbidden" };
  return { kind: "accepted", subprotocol: readSubprotocol(outcome.payload["headers"]) };
}

const refusalMessages: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  429: "Too Many Requests",
  500: "Internal server error",
};

function readSubprotocol(headers: unknown): string | null {
  if (typeof headers !== "object" || headers === null) return null;
  const found = Object.entries(headers).find(([name]) => name.toLowerCase() === "sec-websocket-protocol")?.[1];
  return typeof found === "string" && /^[\x20-\x7e]+$/.test(found) ? found : null;
}
