import type { Link } from "../../../functions/kit/websocket.ts";
import { AppError } from "../../../shared/errors.ts";
import type { Connection } from "../../../shared/domain/connection/connection.ts";
import type { Sockets } from "../../../shared/ports/sockets.ts";

interface Handled {
  result: Record<string, unknown> | null;
  afterwards?: () => Promise<void>;
}

/** What the kit does with a frame that it has checked: what is read early, the frame's own handler, its answer, and what follows. */
export async function serve<Frame extends { type: string }, Deps extends { sockets: Sockets }, Early>(
  link: Link<Frame, Deps, Early>,
  deps: Deps,
  connection: Connection,
  frame: Frame,
): Promise<void> {
  const handle = link.frames[frame.type as Frame["type"]] as (
    deps: Deps,
    frame: Frame,
    connection: Connection,
    early: Early | null,
  ) => Promise<Handled>;
  let handled: Handled | null = null;
  let answer: Record<string, unknown>;
  try {
    handled = await handle(
      deps,
      frame,
      connection,
      link.readEarly?.(deps, connection.connection_id, frame.type) ?? null,
    );
    answer = { result: handled.result };
  } catch (error) {
    const code = error instanceof AppError ? error.code : "internal";
    answer = { error: { code, message: String(error) } };
  }
  const echo = (frame as unknown as Record<string, string>)[link.echo];
  const ack = { type: "ack", [link.echo]: echo, ...answer };
  await deps.sockets.post(connection.connection_id, JSON.stringify(ack));
  await handled?.afterwards?.();
}
