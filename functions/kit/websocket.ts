import type { APIGatewayProxyWebsocketEventV2 } from "aws-lambda";
import type * as z from "zod";
import type { Table } from "../../shared/data/service.ts";
import { findConnection, type Connection } from "../../shared/domain/connection/connection.ts";
import { AppError } from "../../shared/errors.ts";
import type { Clock } from "../../shared/ports/clock.ts";
import type { Log } from "../../shared/ports/log.ts";
import type { Sockets } from "../../shared/ports/sockets.ts";
import type { WireError } from "../../shared/protocol/error-code.ts";
import { parseJsonBody } from "./json-body.ts";
import { validationFailed } from "./problem.ts";

export interface SocketKitDeps {
  table: Table;
  clock: Clock;
  sockets: Sockets;
  log: Log;
}

interface Framed {
  type: string;
}

/** The frame's answer, and what to do once it is sent. */
export interface Handled<Result = Record<string, unknown> | null> {
  /** Null: the sender waits for no answer. An error is always answered. */
  result: Result;
  afterwards?: () => Promise<void>;
}

export type FrameTable<
  Frame extends Framed,
  Deps,
  Results extends Record<Frame["type"], Handled["result"]> = Record<Frame["type"], Handled["result"]>,
  Early = null,
> = {
  [T in Frame["type"]]: (
    deps: Deps,
    frame: Extract<Frame, { type: T }>,
    connection: Connection,
    early: Early | null,
  ) => Promise<Handled<Results[T]>>;
};

/** One direction of the protocol: whose frames these are, and how they are answered. */
export interface Link<Frame extends Framed, Deps, Early = null> {
  kind: Connection["kind"];
  schema: z.ZodType<Frame>;
  types: readonly Frame["type"][];
  /** The name of the field that an answer echoes. */
  echo: "request_id" | "frame_id";
  /** Routes whose response is the answer, so that it needs no request of its own: each of their frames must get one. */
  responding?: readonly string[];
  /** Whether the connection, which is of this kind, may send such frames. */
  permits(connection: Connection, type: Frame["type"]): boolean;
  /** What a frame of this route will need, read at once with its connection. Nothing of it is used before the connection is checked. */
  readEarly?(deps: Deps, connectionId: string, routeKey: string): Early | null;
  /** Counts the frame. Throws `rate_limited`. */
  count?(deps: Deps, connection: Connection, type: Frame["type"]): Promise<unknown>;
  frames: FrameTable<Frame, Deps, Record<Frame["type"], Handled["result"]>, Early>;
}

type Echo = string | null;
type Answer = { result: Record<string, unknown> | null } | { error: WireError };

function echoOf(value: unknown, name: string): Echo {
  if (typeof value !== "object" || value === null || !(name in value)) return null;
  const echo = (value as Record<string, unknown>)[name];
  return typeof echo === "string" && echo.length <= 128 ? echo : null;
}

function typeOf(value: unknown): string | null {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"
    ? value.type
    : null;
}

/** Refuses what the connection may not send before it looks at what the frame holds. */
function parseFrame<Frame extends Framed, Deps, Early>(
  link: Link<Frame, Deps, Early>,
  connection: Connection,
  value: unknown,
): Frame {
  if (connection.kind !== link.kind) throw new AppError("forbidden");
  const type = link.types.find((known) => known === typeOf(value));
  if (type === undefined) throw new AppError("unknown_frame");
  if (!link.permits(connection, type)) throw new AppError("forbidden");
  const parsed = link.schema.safeParse(value);
  if (!parsed.success) throw validationFailed(parsed.error, "frame");
  return parsed.data;
}

function toWire(error: unknown): WireError {
  if (!(error instanceof AppError)) return { code: "internal", message: "Something went wrong on our side" };
  return error.toWire();
}

/** What API Gateway gets. A body goes to the sender where the route has a response. */
interface RouteResult {
  statusCode: number;
  body?: string;
}

/** Every frame gets at most one answer, whatever it holds; the connection lives on. */
export function onSocketFrame<Frame extends Framed, Deps extends SocketKitDeps, Early = null>(
  link: Link<Frame, Deps, Early>,
  live: () => Deps,
) {
  let deps: Deps | null = null;
  return async ({ requestContext, body = "" }: APIGatewayProxyWebsocketEventV2): Promise<RouteResult> => {
    deps ??= live();
    const { connectionId, routeKey } = requestContext;
    let response: string | undefined;
    const responds = link.responding?.includes(routeKey) ?? false;
    const { sockets } = deps;
    await serveFrame(link, deps, { connectionId, routeKey, body }, async (ack) => {
      if (responds) response = ack;
      else await sockets.post(connectionId, ack);
    });
    return { statusCode: 200, ...(response === undefined ? {} : { body: response }) };
  };
}

async function serveFrame<Frame extends Framed, Deps extends SocketKitDeps, Early>(
  link: Link<Frame, Deps, Early>,
  deps: Deps,
  { connectionId, routeKey, body }: { connectionId: string; routeKey: string; body: string },
  send: (ack: string) => Promise<void>,
): Promise<void> {
  const startedMs = deps.clock.now();
  const early = link.readEarly?.(deps, connectionId, routeKey) ?? null;
  const connection = await findConnection(deps, connectionId);
  if (!connection) return deps.sockets.close(connectionId);
  let value: unknown = null;
  let handled: Handled | null = null;
  let answer: Answer;
  try {
    value = parseJsonBody(body, undefined);
    const frame = parseFrame(link, connection, value);
    await link.count?.(deps, connection, frame.type);
    const handle = link.frames[frame.type as Frame["type"]] as (
      deps: Deps,
      frame: Frame,
      connection: Connection,
      early: Early | null,
    ) => Promise<Handled>;
    handled = await handle(deps, frame, connection, early);
    answer = { result: handled.result };
  } catch (error) {
    answer = { error: toWire(error) };
    report(deps, connection, typeOf(value), error, link.types);
  }
  if ("error" in answer || answer.result !== null) {
    const ack = { type: "ack", [link.echo]: echoOf(value, link.echo), ...answer };
    await send(JSON.stringify(ack));
  }
  deps.log.info("frame", {
    connection_id: connectionId,
    tenant_id: connection.tenant_id,
    frame: known(typeOf(value), link.types),
    duration_ms: deps.clock.now() - startedMs,
    code: "error" in answer ? answer.error.code : undefined,
  });
  await handled?.afterwards?.();
}

/** A type that a client made up is content: it is not logged. */
function known(type: string | null, types: readonly string[]): string {
  return type !== null && types.includes(type) ? type : "unknown";
}

function report(
  deps: SocketKitDeps,
  connection: Connection,
  type: string | null,
  error: unknown,
  types: readonly string[],
): void {
  if (error instanceof AppError) return;
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  const { connection_id, tenant_id } = connection;
  deps.log.error("unexpected", { connection_id, tenant_id, frame: known(type, types), error: message, stack });
}
