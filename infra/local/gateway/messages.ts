import type { FunctionHost } from "../contract.ts";
import { gatewayMessage, hasStatusCode } from "./connect-route.ts";
import type { Connections, OpenConnection } from "./connections.ts";
import { integrate, type IntegrationOutcome } from "./integration.ts";
import { routeSelector } from "./route-selection.ts";
import type { EventWriter } from "./websocket-events.ts";
import type { WebSocketLimits } from "./websocket-limits.ts";

export interface MessageRouting {
  config: {
    routeSelectionExpression: string;
    responding?: readonly string[];
    onFrame?: ((text: string) => void) | undefined;
  };
  routes: Map<string, string>;
  functions: FunctionHost;
  limits: WebSocketLimits;
  events: EventWriter;
  connections: Connections;
}

/**
 * Messages of one connection whose functions run: past it the socket is not read, so that nobody's flood takes all of this
 * machine. API Gateway has throttles instead. Routes of their own are a program's, which waits for nothing there.
 */
const maxInFlight = { ownRoute: 2, defaultRoute: 32 };

/**
 * Sends each message to the function of its route, as an invocation of its own: two messages of one connection run at the same
 * time. A result goes back where the route has a response; of a failure the client hears always.
 */
export function messageRouter(routing: MessageRouting): (connection: OpenConnection, text: string) => void {
  const { routes, functions, limits, events, connections } = routing;
  const select = routeSelector(routing.config.routeSelectionExpression);
  const responding = new Set(routing.config.responding);

  function routeKeyOf(text: string): string {
    const selected = select(text);
    // A client must not reach `$connect` or `$disconnect` by naming them.
    return selected !== null && !selected.startsWith("$") && routes.has(selected) ? selected : "$default";
  }

  const inFlight = new WeakMap<OpenConnection, number>();

  async function admit(connection: OpenConnection, text: string): Promise<void> {
    const routeKey = routeKeyOf(text);
    const limit = routeKey === "$default" ? maxInFlight.defaultRoute : maxInFlight.ownRoute;
    const count = (inFlight.get(connection) ?? 0) + 1;
    inFlight.set(connection, count);
    if (count >= limit) connection.socket.pause();
    await dispatch(connection, routeKey, text);
    const left = (inFlight.get(connection) ?? 1) - 1;
    inFlight.set(connection, left);
    // What was read before the pause is more than the limit now and then.
    if (left < limit && connection.socket.isPaused) connection.socket.resume();
  }

  async function dispatch(connection: OpenConnection, routeKey: string, text: string): Promise<void> {
    const event = events.message(connection, routeKey, text);
    const functionId = routes.get(routeKey);
    const said: Said =
      functionId === undefined
        ? { problem: "Forbidden" }
        : saidBy(await integrate(functions, functionId, event, limits.integrationTimeoutMs));
    if (connections.get(connection.id) === undefined) return;
    const { requestId } = event.requestContext;
    if ("problem" in said)
      connections.send(connection, Buffer.from(gatewayMessage(said.problem, connection.id, requestId)));
    else if (responding.has(routeKey)) connections.send(connection, Buffer.from(said.body));
  }

  return (connection, text) => {
    connections.touch(connection);
    routing.config.onFrame?.(text);
    void admit(connection, text);
  };
}

type Said = { problem: string } | { body: string };

/** Of an answer without a body, users report, an empty message comes: a route with a response must always have one. */
function saidBy(outcome: IntegrationOutcome): Said {
  if (outcome.kind === "integration_timeout") return { problem: "Endpoint request timed out" };
  if (outcome.kind !== "returned" || !hasStatusCode(outcome.payload)) return { problem: "Internal server error" };
  const { body = "" } = outcome.payload;
  return typeof body === "string" ? { body } : { problem: "Internal server error" };
}
