import { type Connection, subscribe, unsubscribe } from "../../shared/domain/connection/connection.ts";
import { replay } from "../../shared/domain/connection/replay.ts";
import { findSessionRow } from "../../shared/domain/session/session-row.ts";
import { submitPrompt, type TurnDeps } from "../../shared/domain/turn/turn.ts";
import { AppError } from "../../shared/errors.ts";
import { ClientFrame } from "../../shared/protocol/client-frame.ts";
import type { FrameTable, Link, SocketKitDeps } from "../kit/websocket.ts";

export type ClientFrameDeps = SocketKitDeps & TurnDeps;

/** What a user's frames do. A new frame type does not compile until it is here. */
const frames: FrameTable<ClientFrame, ClientFrameDeps> = {
  ping: async (deps) => ({ result: { at: new Date(deps.clock.now()).toISOString() } }),

  "session.subscribe": async (deps, frame, connection) => {
    const { tenant_id, connection_id } = connection;
    const key = { tenant_id, session_id: frame.session_id };
    if (!(await findSessionRow(deps.table, key))) throw new AppError("not_found");
    await subscribe(deps.table, connection, frame.session_id);
    return { result: {}, afterwards: () => replay(deps, key, connection_id, frame.after) };
  },

  "session.unsubscribe": async (deps, frame, connection) => {
    const { tenant_id, connection_id } = connection;
    await unsubscribe(deps.table, { tenant_id, session_id: frame.session_id }, connection_id);
    return { result: {} };
  },

  "message.send": async (deps, frame, connection) => {
    const { session_id, request_id, content, delivery } = frame;
    const user_id = writer(connection);
    const key = { tenant_id: connection.tenant_id, session_id };
    return { result: await submitPrompt(deps, key, { user_id, request_id, content, delivery }) };
  },
};

/** The user of the connection, where the role may write. */
function writer(connection: Connection): string {
  if (!connection.user_id || connection.role === "viewer") throw new AppError("forbidden");
  return connection.user_id;
}

export const clientLink: Link<ClientFrame, ClientFrameDeps> = {
  kind: "user",
  schema: ClientFrame,
  types: ClientFrame.options.map((option) => option.shape.type.value),
  echo: "request_id",
  frames,
};
