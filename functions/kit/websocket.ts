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
> = {
  [T in Frame["type"]]: (
    deps: Deps,
    frame: Extract<Frame, { type: T }>,
    connection: Connection,
  ) => Promise<Handled<Results[T]>>;
};

/** One direction of the protocol: whose frames these are, and how they are answered. */
export interface Link<Frame extends Framed, Deps> {
  kind: Connection["kind"];
  schema: z.ZodType<Frame>;
  types: readonly Frame["type"][];
  /** The name of the field that an answer echoes. */
  echo: "request_id" | "frame_id";
  /** Whether the connection, which is of this kind, may send such frames. */
  permits(connection: Connection, type: Frame["type"]): boolean;
  /** Counts the frame. Throws `rate_limited`. */
  count?(deps: Deps, connection: Connection, type: Frame["type"]): Promise<unknown>;
  frames: FrameTable<Frame, Deps>;
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
function parseFrame<Frame extends Framed, Deps>(
  link: Link<Frame, Deps>,
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

/** Every frame gets at most one answer, whatever it holds; the connection lives on. */
export function onSocketFrame<Frame extends Framed, Deps extends SocketKitDeps>(
  link: Link<Frame, Deps>,
  live: () => Deps,
) {
  let deps: Deps | null = null;
  return async (event: APIGatewayProxyWebsocketEventV2): Promise<{ statusCode: number }> => {
    deps ??= live();
    await serveFrame(link, deps, event.requestContext.connectionId, event.body ?? "");
    return { statusCode: 200 };
  };
}

async function serveFrame<Frame extends Framed, Deps extends SocketKitDeps>(
  link: Link<Frame, Deps>,
  deps: Deps,
  connectionId: string,
  body: string,
): Promise<void> {
  const startedMs = deps.clock.now();
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
    ) => Promise<Handled>;
    handled = await handle(deps, frame, connection);
    answer = { result: handled.result };
  } catch (error) {
    answer = { error: toWire(error) };
    report(deps, connection, typeOf(value), error, link.types);
  }
  if ("error" in answer || answer.result !== null) {
    const ack = { type: "ack", [link.echo]: echoOf(value, link.echo), ...answer };
    await deps.sockets.post(connectionId, JSON.stringify(ack));
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
