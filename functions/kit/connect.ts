import type { APIGatewayProxyWebsocketEventV2 } from "aws-lambda";
import { isApiKey } from "../../shared/api-key.ts";
import { AppError, meaningOf } from "../../shared/errors.ts";
import type { ConnectionDoor } from "../../shared/ports/connection-door.ts";
import type { Log } from "../../shared/ports/log.ts";
import type { TokenVerifier } from "../../shared/ports/tokens.ts";
import { bearerOf } from "./bearer.ts";

/** The subprotocol of the public contract; `shared/protocol/client-frame.ts` has the same and would bring zod along. */
const subprotocol = "sandbox.v1";
const ticketPrefix = "sandbox.token.";

export interface ConnectDeps {
  door: ConnectionDoor;
  verifier: TokenVerifier;
  /** Exactly these may open a connection from a browser. */
  allowedOrigins: readonly string[];
  log: Log;
}

export type ConnectEvent = APIGatewayProxyWebsocketEventV2 & { headers?: Record<string, string | undefined> };

interface Answer {
  statusCode: number;
  headers?: Record<string, string>;
}

function headerOf(event: ConnectEvent, name: string): string | undefined {
  const found = Object.entries(event.headers ?? {}).find(([key]) => key.toLowerCase() === name);
  return found?.[1];
}

/**
 * Tickets come from browsers, tokens and keys from servers, tokens from sandboxes. None is ever read from the URL. The
 * origin is compared letter by letter: browsers spell it in one way.
 */
async function admit(deps: ConnectDeps, event: ConnectEvent, offered: string[]): Promise<void> {
  const { connectionId } = event.requestContext;
  const origin = headerOf(event, "origin");
  if (origin !== undefined && !deps.allowedOrigins.includes(origin)) throw new AppError("forbidden");
  const ticket = offered.find((protocol) => protocol.startsWith(ticketPrefix))?.slice(ticketPrefix.length);
  if (ticket !== undefined) return deps.door.enterByTicket(connectionId, ticket);
  const token = bearerOf(headerOf(event, "authorization"));
  if (token === null) throw new AppError("unauthenticated");
  if (isApiKey(token)) {
    if (origin !== undefined) throw new AppError("forbidden");
    return deps.door.enterByApiKey(connectionId, token);
  }
  const bearer = await deps.verifier.any(token);
  if (bearer.kind === "user") return deps.door.enterUser(connectionId, bearer.user);
  if (origin !== undefined) throw new AppError("forbidden");
  await deps.door.enterSandbox(connectionId, bearer.sandbox);
}

/** `$connect`: the connection's row is there before the first frame can come. */
export function onConnect(live: () => ConnectDeps) {
  let deps: ConnectDeps | null = null;
  return async (event: ConnectEvent): Promise<Answer> => {
    deps ??= live();
    const { connectionId } = event.requestContext;
    const offered = (headerOf(event, "sec-websocket-protocol") ?? "").split(",").map((protocol) => protocol.trim());
    try {
      await admit(deps, event, offered);
    } catch (error) {
      const code = error instanceof AppError ? error.code : "internal";
      deps.log.warn("connect refused", {
        connection_id: connectionId,
        code,
        error: code === "internal" ? String(error) : undefined,
      });
      return { statusCode: meaningOf(code).status };
    }
    deps.log.info("connect", { connection_id: connectionId });
    return offered.includes(subprotocol)
      ? { statusCode: 200, headers: { "Sec-WebSocket-Protocol": subprotocol } }
      : { statusCode: 200 };
  };
}
