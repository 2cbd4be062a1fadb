import type { LiveEvent } from "../../protocol/server-event.ts";
import type { SandboxFrame } from "../../protocol/sandbox-frame.ts";

type Changed = Extract<SandboxFrame, { type: "sandbox.terminal_changed" }>;
type Told<T extends LiveEvent["type"]> = Pick<Extract<LiveEvent, { type: T }>, "type" | "data">;

/** What the watchers learn of a terminal that its sandbox reports. */
export function terminalChange({
  change,
  terminal_id,
  cols,
  rows,
  offset,
  exit_code,
}: Changed): Told<"terminal.opened"> | Told<"terminal.resized"> | Told<"terminal.closed"> {
  if (change === "closed") return { type: "terminal.closed", data: { terminal_id, exit_code, offset } };
  return { type: `terminal.${change}`, data: { terminal_id, cols, rows } };
}
