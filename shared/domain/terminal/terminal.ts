import { AppError } from "../../errors.ts";
import type { Sockets } from "../../ports/sockets.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import type { SandboxCommand } from "../../protocol/sandbox-frame.ts";
import { maxTerminalFrameBytes, terminalOps, type Terminal } from "../../protocol/terminal.ts";
import { piecesByJson } from "../../text-pieces.ts";
import { sendCommand } from "../container/command.ts";
import { latestContainer } from "../container/container.ts";
import { askSandbox, openDoor, type DoorDeps } from "../container/want.ts";
import { isUsable } from "../container/want.decisions.ts";
import { requireSessionRow } from "../session/session-row.ts";
import { liveEvent } from "../timeline/announce.ts";
import type { SessionKey } from "../timeline/row.ts";

export type TerminalDeps = DoorDeps & { sockets: Pick<Sockets, "post"> };
type TerminalCommand = Extract<SandboxCommand, { type: `terminal.${string}` }>;

/** A cold sandbox is waited for, and then asked, within the 29 s that a frame may take. */
const openWaitMs = 18_000;
const doorMs = 8000;

/** Starts the sandbox where none runs. Throws `sandbox_starting` where that takes longer: open it again once it is ready. */
export async function openTerminal(
  deps: DoorDeps,
  key: SessionKey,
  { terminal_id, cols, rows }: { terminal_id?: string | undefined; cols: number; rows: number },
): Promise<{ terminal: Terminal }> {
  await requireSessionRow(deps.table, key);
  const id = terminal_id ?? deps.ids.next(idPrefixes.terminal);
  const asked = { terminal_id: id, cols, rows };
  return askSandbox(deps, key, terminalOps.open, asked, { waitMs: openWaitMs, timeoutMs: doorMs });
}

/** None where no sandbox runs: its terminals ended with it. */
export async function listTerminals(deps: DoorDeps, key: SessionKey): Promise<Terminal[]> {
  await requireSessionRow(deps.table, key);
  const door = await openDoor(deps, key);
  if (!door) return [];
  const { terminals } = await deps.door.ask(door, terminalOps.list, {}, { timeoutMs: doorMs });
  return terminals;
}

/** What a terminal printed after `after`, and how to send it. Throws `not_found` for one that is closed. */
export async function attachTerminal(
  deps: TerminalDeps,
  key: SessionKey,
  connectionId: string,
  asked: { terminal_id: string; after: number },
) {
  await requireSessionRow(deps.table, key);
  const door = await openDoor(deps, key);
  if (!door) throw new AppError("not_found", "This terminal is closed");
  const { terminal, terminals, kept } = await deps.door.ask(door, terminalOps.attach, asked, { timeoutMs: doorMs });
  const send = async (): Promise<void> => {
    for (const piece of piecesByJson(kept.data, maxTerminalFrameBytes, kept.offset)) {
      const data = { terminal_id: terminal.terminal_id, ...piece };
      const event = liveEvent(key, deps.clock.now(), { type: "terminal.output", data });
      if ((await deps.sockets.post(connectionId, JSON.stringify(event))) === "gone") return;
    }
  };
  return { terminal, terminals, send };
}

/** One way: what becomes of it is seen in the terminal. Throws `not_found` and `sandbox_unavailable`. */
export async function tellTerminal(
  deps: Pick<TerminalDeps, "table" | "clock" | "sockets">,
  key: SessionKey,
  command: TerminalCommand,
): Promise<void> {
  const container = await latestContainer(deps.table, key);
  if (!container) await requireSessionRow(deps.table, key);
  const isSent = container && isUsable(container, deps.clock.now()) && (await sendCommand(deps, container, command));
  if (!isSent) throw new AppError("sandbox_unavailable", "The terminal's sandbox does not run");
}
