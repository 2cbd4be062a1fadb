import { rows, type Table } from "../../shared/data/service.ts";
import type { SessionKey } from "../../shared/domain/timeline/row.ts";

/** The row of a container that takes work, linked and within reach, as if it had come up just now. */
export async function runningSandbox(
  { table, clock }: { table: Table; clock: { now(): number } },
  key: SessionKey,
  more: { epoch?: number; connection_id?: string; status?: "ready" | "starting" } = {},
): Promise<string> {
  const now = clock.now();
  const connection_id = more.connection_id ?? `sandbox-of-${key.session_id}`;
  await rows(table)
    .entities.container.create({
      ...key,
      epoch: 1,
      status: "ready",
      preview_key: "p",
      control_key: "c",
      private_ip: "10.0.0.7",
      requested_at: now,
      ready_at: now,
      last_heartbeat_at: now,
      ...more,
      connection_id,
    })
    .go();
  return connection_id;
}

const terminal = {
  terminal_id: "trm",
  cols: 80,
  rows: 24,
  opened_at: "2030-01-01T00:00:00.000Z",
  start: 0,
  offset: 5,
};

/** What a sandbox with one terminal answers at its door. */
export const terminalAnswers: Record<string, (body: unknown) => unknown> = {
  "terminal.list": () => ({ terminals: [terminal] }),
  "terminal.open": (body) => ({ terminal: { ...terminal, ...(body as object) } }),
  "terminal.attach": () => ({ terminal, terminals: [terminal], kept: { offset: 0, data: "$ ls\n" } }),
};
