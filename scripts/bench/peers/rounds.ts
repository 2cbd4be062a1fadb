import { existsSync } from "node:fs";
import { join } from "node:path";
import { cpuMs, residentMegabytes } from "../processes.ts";
import type { Peer, RunningPeer, Times } from "./contract.ts";
import type { ScriptedModel } from "./model.ts";
import { shuffled } from "./ratios.ts";
import { promptOf, writtenFiles } from "./script.ts";

export interface Contestant {
  peer: Peer;
  running: RunningPeer;
  workspace: string;
}

export interface Figures extends Times {
  cpuMs: number;
  residentMb: number;
}

/** By peer, one figure a round. */
export type Measured = Map<string, Figures[]>;

let turns = 0;

/** One turn, whose tool calls have been done: the model was told so, and the files are there. */
async function measure(
  { peer, running, workspace }: Contestant,
  model: ScriptedModel,
  tools: number,
): Promise<Figures> {
  const turn = (turns += 1);
  const before = cpuMs(running.pid);
  const times = await running.turn(promptOf(turn, tools));
  const figures = { ...times, cpuMs: cpuMs(running.pid) - before, residentMb: residentMegabytes(running.pid) };
  const { count, errors } = model.results(peer.name);
  if (count !== tools || errors > 0) throw new Error(`${peer.name} did ${count} of ${tools} calls, ${errors} failed`);
  const missing = writtenFiles(turn, tools).filter((file) => !existsSync(join(workspace, file)));
  if (peer.writesIntoWorkspace && missing.length > 0)
    throw new Error(`${peer.name} did not write ${missing.join(" ")}`);
  return figures;
}

export async function warmUp(contestant: Contestant, model: ScriptedModel): Promise<void> {
  for (const tools of [2, 10, 10]) await measure(contestant, model, tools);
}

/** Everybody once a round, in random order. */
export async function measureRounds(
  contestants: Contestant[],
  model: ScriptedModel,
  { tools, rounds, random }: { tools: number; rounds: number; random: () => number },
): Promise<Measured> {
  const measured: Measured = new Map(contestants.map(({ peer }) => [peer.name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const contestant of shuffled(contestants, random)) {
      measured.get(contestant.peer.name)?.push(await measure(contestant, model, tools));
    }
  }
  return measured;
}
