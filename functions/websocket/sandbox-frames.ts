import { recordHold } from "../../shared/domain/checkpoint/hold-operation.ts";
import { recordCheckpoint, recordPush } from "../../shared/domain/checkpoint/report.ts";
import type { Connection } from "../../shared/domain/connection/connection.ts";
import {
  greet,
  linkOf,
  markAlive,
  markFailed,
  markReady,
  markStopping,
  requireLive,
  type LinkDeps,
} from "../../shared/domain/container/link.ts";
import { type EarlyReads, readEarly, readFor } from "../../shared/domain/container/early-reads.ts";
import { grantUpload } from "../../shared/domain/container/upload.ts";
import { recordSetup, recordSetupStart } from "../../shared/domain/container/setup.ts";
import { type ConfigurationDeps, readConfiguration } from "../../shared/domain/sandbox-config/configuration.ts";
import { recordMerge } from "../../shared/domain/merge/conclude.ts";
import { announceLive } from "../../shared/domain/timeline/announce.ts";
import { receiveResult } from "../../shared/domain/tool-call/receive-result.ts";
import type { Objects } from "../../shared/ports/objects.ts";
import type { SandboxTokens } from "../../shared/ports/tokens.ts";
import type { SandboxFrameResults } from "../../shared/protocol/frame-results.ts";
import { answeredFrameTypes, SandboxFrame, sandboxFrameTypes } from "../../shared/protocol/sandbox-frame.ts";
import { greetWarm, keepWarm, warmFrames, type WarmLink, type WarmLinkDeps } from "../../shared/domain/warm/link.ts";
import { isPool } from "../../shared/domain/warm/warm.decisions.ts";
import type { FrameTable, Link, SocketKitDeps } from "../kit/websocket.ts";
import { terminalChange } from "../../shared/domain/terminal/change.decisions.ts";

export interface SandboxFrameDeps
  extends SocketKitDeps, Omit<LinkDeps, "sockets" | "objects" | "clock" | "log" | "table"> {
  objects: Objects;
  sandboxTokens: SandboxTokens;
  secretBox: ConfigurationDeps["secretBox"];
  defaultNetwork: ConfigurationDeps["defaultNetwork"];
  bootSecret: WarmLinkDeps["bootSecret"];
}

const done = { result: {} };
/** Sent live: nobody keeps such a frame until it is answered. */
const unanswered = { result: null };

/** What a supervisor's frames do, all within the one session and epoch of its link. */
const frames: FrameTable<SandboxFrame, SandboxFrameDeps, SandboxFrameResults, EarlyReads> = {
  "sandbox.hello": async (deps, frame, connection) => {
    if (isPool(connection)) {
      await greetWarm(deps, warmLinkOf(connection), frame);
      return done;
    }
    await greet(deps, linkOf(connection), frame);
    return done;
  },
  "sandbox.ready": async (deps, frame, connection) => {
    await markReady(deps, linkOf(connection), frame);
    return done;
  },
  "sandbox.failed": async (deps, frame, connection) => {
    await markFailed(deps, linkOf(connection), frame.message);
    return done;
  },
  "sandbox.heartbeat": async (deps, frame, connection) => {
    if (isPool(connection) || (frame.is_nobodys && connection.pool_id)) {
      await keepWarm(deps, warmLinkOf(connection));
      return done;
    }
    if (await markAlive(deps, linkOf(connection))) return done;
    return { ...done, afterwards: () => deps.sockets.close(connection.connection_id) };
  },
  "sandbox.tool_output": async (deps, { call_id, offset, text }, connection, early) => {
    await tellWatchers(deps, connection, { type: "tool.output", data: { call_id, offset, text } }, early);
    return unanswered;
  },
  "sandbox.tool_completed": async (deps, frame, connection, early) => {
    const { type: _type, frame_id: _id, ...result } = frame;
    const link = linkOf(connection);
    await receiveResult(deps, link, result, readFor(deps.table, link, early)?.conversation);
    return done;
  },
  "sandbox.checkpoint_taken": async (deps, frame, connection) => {
    const { turn_id, cause, checkpoint, merge } = frame;
    if (merge) await recordMerge(deps, linkOf(connection), turn_id, merge);
    else if (cause === "before" && !checkpoint) await recordHold(deps, linkOf(connection), turn_id);
    else await recordCheckpoint(deps, linkOf(connection), frame);
    return done;
  },
  "sandbox.checkpoint_pushed": async (deps, { commit, branch }, connection) => {
    await requireLive(deps, linkOf(connection));
    await recordPush(deps, linkOf(connection), { commit, branch });
    return done;
  },
  "sandbox.upload_request": async (deps, { purpose, length, sha256 }, connection) => {
    await requireLive(deps, linkOf(connection));
    return { result: await grantUpload(deps.objects, linkOf(connection), { purpose, length, sha256 }) };
  },
  "sandbox.files_changed": async (deps, { by, changes, more }, connection, early) => {
    await tellWatchers(deps, connection, { type: "file.changed", data: { by, changes, more } }, early);
    return unanswered;
  },
  "sandbox.port_opened": async (deps, { port }, connection) => {
    await tellWatchers(deps, connection, { type: "preview.ready", data: { port } });
    return unanswered;
  },
  "sandbox.port_closed": async (deps, { port }, connection) => {
    await tellWatchers(deps, connection, { type: "preview.closed", data: { port } });
    return unanswered;
  },
  "sandbox.terminal_output": async (deps, { terminal_id, offset, data }, connection, early) => {
    await tellWatchers(deps, connection, { type: "terminal.output", data: { terminal_id, offset, data } }, early);
    return unanswered;
  },
  "sandbox.terminal_changed": async (deps, frame, connection) => {
    await tellWatchers(deps, connection, terminalChange(frame));
    return done;
  },
  "sandbox.renew_token": async (deps, _frame, connection) => {
    const { key, epoch } = linkOf(connection);
    if (!isPool(connection)) await requireLive(deps, linkOf(connection));
    const minted = await deps.sandboxTokens.mint({ tenantId: key.tenant_id, sessionId: key.session_id, epoch });
    return { result: { token: minted.token, expires_in: minted.expiresInSeconds } };
  },
  "sandbox.read_configuration": async (deps, _frame, connection) => {
    await requireLive(deps, linkOf(connection));
    return { result: await readConfiguration(deps, linkOf(connection).key) };
  },
  "sandbox.setup_started": async (deps, _frame, connection) => {
    await requireLive(deps, linkOf(connection));
    await recordSetupStart(deps, linkOf(connection));
    return done;
  },
  "sandbox.setup_output": async (deps, { offset, text }, connection) => {
    await tellWatchers(deps, connection, { type: "container.setup_output", data: { offset, text } });
    return unanswered;
  },
  "sandbox.setup_completed": async (deps, { type: _type, frame_id: _id, ...outcome }, connection) => {
    await requireLive(deps, linkOf(connection));
    await recordSetup(deps, linkOf(connection), outcome);
    return done;
  },
  "sandbox.stopping": async (deps, frame, connection) => {
    await markStopping(deps, linkOf(connection), frame.reason);
    return done;
  },
};

const warmLinkOf = (connection: Connection): WarmLink => {
  const { key, connectionId } = linkOf(connection);
  const isAdopted = !isPool(connection);
  return { poolId: isAdopted ? (connection.pool_id ?? "") : key.session_id, connectionId, isAdopted };
};

/** What a container that was replaced still says is not passed on. */
async function tellWatchers(
  deps: SandboxFrameDeps,
  connection: Connection,
  event: Parameters<typeof announceLive>[2],
  early: EarlyReads | null = null,
): Promise<void> {
  const link = linkOf(connection);
  const read = readFor(deps.table, link, early);
  await requireLive(deps, link, read?.container);
  const conversation = await read?.conversation;
  await announceLive(deps, link.key, event, { watchVersion: conversation?.watch_version });
}

/** The commonest of a turn. Who is told of live ones goes by the conversation's row, and whether by the container's. */
const earlyFrames = new Map<string, { isLive: boolean }>([
  ["sandbox.tool_completed", { isLive: false }],
  ["sandbox.tool_output", { isLive: true }],
  ["sandbox.files_changed", { isLive: true }],
  ["sandbox.terminal_output", { isLive: true }],
]);

export const sandboxLink: Link<SandboxFrame, SandboxFrameDeps, EarlyReads> = {
  kind: "sandbox",
  schema: SandboxFrame,
  types: sandboxFrameTypes,
  echo: "frame_id",
  responding: answeredFrameTypes,
  readEarly: ({ table }, connectionId, routeKey) => {
    const kind = earlyFrames.get(routeKey);
    return kind ? readEarly(table, connectionId, kind.isLive) : null;
  },
  // Its session and epoch are the connection's own: `linkOf`.
  permits: (connection, type) =>
    connection.session_id !== undefined &&
    connection.epoch !== undefined &&
    (!isPool(connection) || warmFrames.includes(type)),
  frames,
};
