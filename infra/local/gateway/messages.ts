import type { FunctionHost } from "../contract.ts";
import { gatewayMessage, hasStatusCode } from "./connect-route.ts";
import type { Connections, OpenConnection } from "./connections.ts";
import { integrate, type IntegrationOutcome } from "./integration.ts";
import { routeSelector } from "./route-selection.ts";
import type { EventWriter } from "./websocket-events.ts";
import type { WebSocketLimits } from "./websocket-limits.ts";

export interface MessageRouting {
  config: { routeSelectionExpression: string };
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
 * time. Results are not sent back (no route responses); of a failure the client hears.
 */
export function messageRouter(routing: MessageRouting): (connection: OpenConnection, text: string) => void {
  const { routes, functions, limits, events, connections } = routing;
  const select = routeSelector(routing.config.routeSelectionExpression);

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
    const problem =
      functionId === undefined
        ? "Forbidden"
        : problemOf(await integrate(functions, functionId, event, limits.integrationTimeoutMs));
    if (problem === null || connections.get(connection.id) === undefined) return;
    connections.send(connection, Buffer.from(gatewayMessage(problem, connection.id, event.requestContext.requestId)));
  }

  return (connection, text) => {
    connections.touch(connection);
    void admit(connection, text);
  };
}

function problemOf(outcome: IntegrationOutcome): string | null {
  if (outcome.kind === "integration_timeout") return "Endpoint request timed out";
  return outcome.kind === "returned" && hasStatusCode(outcome.payload) ? null : "Internal server error";
}
