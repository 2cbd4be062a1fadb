import { type Connection, connectionMay, subscribe, unsubscribe } from "../../shared/domain/connection/connection.ts";
import { replay } from "../../shared/domain/connection/replay.ts";
import { createCheckpoint } from "../../shared/domain/checkpoint/create.ts";
import { restore } from "../../shared/domain/checkpoint/restore.ts";
import { resolveApproval } from "../../shared/domain/approval/resolve.ts";
import { findSessionRow } from "../../shared/domain/session/session-row.ts";
import { interrupt } from "../../shared/domain/turn/interrupt.ts";
import { submitPrompt } from "../../shared/domain/turn/prompt.ts";
import { cancelPrompt, reorderPrompts } from "../../shared/domain/turn/queue.ts";
import type { TurnDeps } from "../../shared/domain/turn/turn.ts";
import { limitRequests } from "../../shared/domain/quota/requests.ts";
import { AppError } from "../../shared/errors.ts";
import type { Objects } from "../../shared/ports/objects.ts";
import type { Plans } from "../../shared/ports/plans.ts";
import type { SandboxDoor } from "../../shared/ports/sandbox-door.ts";
import { ClientFrame, framePermissions } from "../../shared/protocol/client-frame.ts";
import type { FrameResults } from "../../shared/protocol/frame-results.ts";
import type { FrameTable, Link, SocketKitDeps } from "../kit/websocket.ts";
import { fileFrames } from "./file-frames.ts";
import { terminalFrames } from "./terminal-frames.ts";

export type ClientFrameDeps = SocketKitDeps & TurnDeps & { plans: Plans; door: SandboxDoor; objects: Objects };

/** What a user's frames do. A new frame type does not compile until it is here. */
const frames: FrameTable<ClientFrame, ClientFrameDeps, FrameResults> = {
  ping: async (deps) => ({ result: { at: new Date(deps.clock.now()).toISOString() } }),

  "session.subscribe": async (deps, frame, connection) => {
    const { tenant_id, connection_id } = connection;
    const key = { tenant_id, session_id: frame.session_id };
    if (!(await findSessionRow(deps.table, key))) throw new AppError("not_found");
    const { after, batched = false } = frame;
    await subscribe(deps.table, connection, frame.session_id, batched);
    return { result: {}, afterwards: () => replay(deps, key, { connectionId: connection_id, batched }, after) };
  },

  "session.unsubscribe": async (deps, frame, connection) => {
    const { tenant_id, connection_id } = connection;
    await unsubscribe(deps.table, { tenant_id, session_id: frame.session_id }, connection_id);
    return { result: {} };
  },

  "message.send": async (deps, frame, connection) => {
    const { session_id, request_id, content, delivery } = frame;
    const user_id = userOf(connection);
    const key = { tenant_id: connection.tenant_id, session_id };
    return { result: await submitPrompt(deps, key, { user_id, request_id, content, delivery }) };
  },

  "turn.interrupt": async (deps, { request_id, session_id, turn_id }, connection) => {
    const key = { tenant_id: connection.tenant_id, session_id };
    return { result: await interrupt(deps, key, { user_id: userOf(connection), request_id, turn_id }) };
  },

  "queue.cancel": async (deps, { request_id, session_id, turn_id }, connection) => {
    const key = { tenant_id: connection.tenant_id, session_id };
    return { result: await cancelPrompt(deps, key, { user_id: userOf(connection), request_id, turn_id }) };
  },

  "queue.reorder": async (deps, { request_id, session_id, turn_ids }, connection) => {
    const key = { tenant_id: connection.tenant_id, session_id };
    return { result: await reorderPrompts(deps, key, { user_id: userOf(connection), request_id, turn_ids }) };
  },

  "approval.resolve": async (deps, { type: _type, session_id, ...asked }, connection) => {
    const key = { tenant_id: connection.tenant_id, session_id };
    return { result: await resolveApproval(deps, key, { user_id: userOf(connection), ...asked }) };
  },

  "checkpoint.create": async (deps, { request_id, session_id, message }, connection) => {
    const key = { tenant_id: connection.tenant_id, session_id };
    return { result: await createCheckpoint(deps, key, { user_id: userOf(connection), request_id, message }) };
  },

  "checkpoint.restore": async (deps, { type: _type, session_id, ...asked }, connection) => {
    const key = { tenant_id: connection.tenant_id, session_id };
    return { result: await restore(deps, key, { user_id: userOf(connection), ...asked }) };
  },

  ...fileFrames,
  ...terminalFrames,
};

/** Whom the connection speaks for. */
function userOf({ user_id }: Connection): string {
  if (!user_id) throw new AppError("forbidden");
  return user_id;
}

export const clientLink: Link<ClientFrame, ClientFrameDeps> = {
  kind: "user",
  schema: ClientFrame,
  types: ClientFrame.options.map((option) => option.shape.type.value),
  echo: "request_id",
  permits: (connection, type) => connectionMay(connection, framePermissions[type]),
  // As a request of HTTP would be; a ping asks for nothing, and a key that is pressed is not a request.
  count: async (deps, { tenant_id: tenantId }, type) =>
    type === "ping" || type === "terminal.input" ? null : limitRequests(deps, { actor: { tenantId } }),
  frames,
};
