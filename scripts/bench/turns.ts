import type { Platform } from "../../infra/local/platform.ts";
import type { ApiClient } from "../demo/client.ts";
import { median, range, row } from "./figures.ts";
import { type FirstBench, measureFirst } from "./first.ts";
import { poolOf } from "./pool.ts";
import { pssMegabytes } from "./processes.ts";
import { Watched } from "./watched.ts";

const rounds = 9;
const longRounds = 3;

async function times<T>(count: number, run: () => Promise<T>): Promise<T[]> {
  const found: T[] = [];
  for (let round = 0; round < count; round += 1) found.push(await run());
  return found;
}

async function measureTools(session: Watched, tools: number, count: number): Promise<void> {
  const turns = await times(count, () => session.turn(`rehearsal: tools ${tools}`));
  row(`turn of ${tools} tool calls`, `${range(turns.map(({ wallMs }) => wallMs))}, ${count} rounds`);
  row("  CPU a step, sandbox included", range(turns.map((turn) => turn.cpuMs / (tools + 1))));
}

async function measureGrowth(session: Watched): Promise<void> {
  const { answersAt } = await session.turn("rehearsal: tools 195");
  const steps = answersAt.slice(1).map((at, index) => at - (answersAt[index] ?? at));
  const [early, late] = [steps.slice(5, 15), steps.slice(174, 194)].map(median);
  row("steps 176-195 / steps 6-15 of one turn", `x${((late ?? 0) / (early ?? 1)).toFixed(2)}`);
  row("  a step then, a step before", `${late?.toFixed(0)} ms, ${early?.toFixed(0)} ms`);
}

/** What each further session with an idle sandbox holds of the machine's memory; as many wait for a session before as after. */
async function measureMemory({ api, socket, refillPool }: FirstBench): Promise<void> {
  const sessions = 4;
  await refillPool();
  const before = pssMegabytes();
  await times(sessions, async () => (await Watched.open(api, socket)).turn("rehearsal: tools 1"));
  await refillPool();
  row("memory of a further session, sandbox up", `${((pssMegabytes() - before) / sessions).toFixed(1)} MB`);
  const asleep = pssMegabytes();
  await times(20, () => Watched.open(api, socket));
  row("memory of a further session, no sandbox", `${((pssMegabytes() - asleep) / 20).toFixed(1)} MB`);
}

/** By the name that picks it. */
const parts: Record<string, (bench: FirstBench) => Promise<void>> = {
  async tools({ warm }) {
    await measureTools(warm, 10, rounds);
    await measureTools(warm, 50, longRounds);
  },
  first: measureFirst,
  growth: async ({ api, socket }) => measureGrowth(await Watched.open(api, socket)),
  memory: measureMemory,
};

/** All parts, or those that are named. */
export async function measureTurns(
  api: ApiClient,
  platform: Platform,
  wants: (part: string) => boolean,
): Promise<void> {
  const socket = await api.connect(platform.webSocketUrl);
  const warm = await Watched.open(api, socket);
  for (const warmUp of [2, 10, 10]) await warm.turn(`rehearsal: tools ${warmUp}`);
  for (const [name, measure] of Object.entries(parts)) {
    if (wants(name)) await measure({ api, socket, warm, refillPool: poolOf(platform) });
  }
  await socket.close();
}
