import type { Connection } from "../../shared/domain/connection/connection.ts";
import { attachTerminal, openTerminal, tellTerminal } from "../../shared/domain/terminal/terminal.ts";
import type { TerminalDeps } from "../../shared/domain/terminal/terminal.ts";
import type { ClientFrame } from "../../shared/protocol/client-frame.ts";
import type { FrameResults } from "../../shared/protocol/frame-results.ts";
import type { FrameTable, SocketKitDeps } from "../kit/websocket.ts";

type TerminalFrame = Extract<ClientFrame, { type: `terminal.${string}` }>;
type Results = Pick<FrameResults, TerminalFrame["type"]>;

const done = { result: {} };
const keyOf = ({ tenant_id }: Connection, { session_id }: TerminalFrame) => ({ tenant_id, session_id });

/** None of these is kept by its `request_id`: to type twice is to type twice. */
export const terminalFrames: FrameTable<TerminalFrame, SocketKitDeps & TerminalDeps, Results> = {
  "terminal.open": async (deps, frame, connection) => ({
    result: await openTerminal(deps, keyOf(connection, frame), frame),
  }),

  "terminal.attach": async (deps, frame, connection) => {
    const { terminal_id, after } = frame;
    const asked = { terminal_id, after };
    const { send, ...result } = await attachTerminal(deps, keyOf(connection, frame), connection.connection_id, asked);
    return { result, afterwards: send };
  },

  "terminal.input": async (deps, frame, connection) => {
    const { type, terminal_id, data, n } = frame;
    const writer = connection.connection_id;
    await tellTerminal(deps, keyOf(connection, frame), { type, terminal_id, data, n, writer });
    return done;
  },

  "terminal.resize": async (deps, frame, connection) => {
    const { type, terminal_id, cols, rows } = frame;
    await tellTerminal(deps, keyOf(connection, frame), { type, terminal_id, cols, rows });
    return done;
  },

  "terminal.close": async (deps, frame, connection) => {
    const { type, terminal_id } = frame;
    await tellTerminal(deps, keyOf(connection, frame), { type, terminal_id });
    return done;
  },
};
