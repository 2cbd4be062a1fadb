import type { Sockets } from "../../ports/sockets.ts";
import type { SandboxCommand } from "../../protocol/sandbox-frame.ts";
import type { Container } from "./container.ts";

/** False where the container has no link, or it just went away: the next `hello` or watchdog sends again. */
export async function sendCommand(
  deps: { sockets: Pick<Sockets, "post"> },
  container: Pick<Container, "connection_id">,
  command: SandboxCommand,
): Promise<boolean> {
  if (!container.connection_id) return false;
  const delivered = await deps.sockets.post(container.connection_id, JSON.stringify(command));
  return delivered === "sent";
}
