import type { ApiClient, ApiSocket } from "../demo/client.ts";
import { median, range, ratio, row } from "./figures.ts";
import { Watched } from "./watched.ts";

const rounds = 9;

export interface FirstBench {
  api: ApiClient;
  socket: ApiSocket;
  /** A session whose sandbox is up. */
  warm: Watched;
  /** Waits until a sandbox waits for a session. */
  refillPool: () => Promise<void>;
}

/** By turns: a session whose sandbox is up, and a new one that has none. */
async function measureFirstDelta({ api, socket, warm }: FirstBench): Promise<void> {
  const ready: number[] = [];
  const cold: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const fresh = await Watched.open(api, socket);
    ready.push((await warm.turn("rehearsal: say hello")).firstDeltaMs);
    cold.push((await fresh.turn("rehearsal: say hello")).firstDeltaMs);
  }
  row("first delta, the sandbox is up", range(ready));
  row("first delta, no sandbox", range(cold));
  row("  no sandbox / up, median of rounds", `x${median(cold.map((ms, at) => ms / (ready[at] ?? 0))).toFixed(2)}`);
}

/** A session's first tool result, by turns: its sandbox is up, one waited for it, and one is started for it. */
async function measureFirstTool({ api, socket, warm, refillPool }: FirstBench): Promise<void> {
  const found: Record<"up" | "waited" | "started", number[]> = { up: [], waited: [], started: [] };
  const command = "rehearsal: tools 1";
  for (let round = -1; round < rounds; round += 1) {
    await refillPool();
    const up = (await warm.turn(command)).firstToolMs;
    const waited = (await (await Watched.open(api, socket)).turn(command)).firstToolMs;
    // Right after one was adopted the next is still to come: this session finds none.
    const started = (await (await Watched.open(api, socket)).turn(command)).firstToolMs;
    if (round < 0) continue;
    found.up.push(up);
    found.waited.push(waited);
    found.started.push(started);
  }
  row("prompt to first tool result, the sandbox is up", range(found.up));
  row("prompt to first tool result, one waited", range(found.waited));
  row("prompt to first tool result, one is started", range(found.started));
  row("  one waited / up", ratio(found.waited, found.up));
  row("  one is started / one waited", ratio(found.started, found.waited));
}

export async function measureFirst(bench: FirstBench): Promise<void> {
  await measureFirstDelta(bench);
  await measureFirstTool(bench);
}
