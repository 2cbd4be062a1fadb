import { setTimeout as pause } from "node:timers/promises";
import type { DurableEvent } from "../../shared/protocol/server-event.ts";
import { seededRandom } from "../../test/support/seeded-random.ts";
import type { Kill } from "./killer.ts";
import type { PlatformProcess } from "./platform-process.ts";
import { sandboxOfSession } from "./processes.ts";
import type { Talker } from "./talker.ts";

export interface MidToolOptions {
  turns: number;
  seed: number;
  turnLimitMs: number;
}

const toolSeconds = 3;
const lookMs = 20;
const startLimitMs = 60_000;

/** Each turn runs one command, and its sandbox (supervisor, toolbox or what holds them) is killed -9 while that runs. */
export async function killInTools(
  platform: PlatformProcess,
  talkers: Talker[],
  options: MidToolOptions,
): Promise<Kill[]> {
  const each = talkers.map((talker, at) => {
    const turns = Math.floor(options.turns / talkers.length) + (at < options.turns % talkers.length ? 1 : 0);
    return killInTurns(platform, talker, turns, seededRandom(options.seed + at), options.turnLimitMs);
  });
  return (await Promise.all(each)).flat();
}

async function killInTurns(
  platform: PlatformProcess,
  talker: Talker,
  turns: number,
  random: () => number,
  turnLimitMs: number,
): Promise<Kill[]> {
  const kills: Kill[] = [];
  while (talker.acked.length < turns && talker.stuck.length === 0) {
    const turnId = await talker.prompt(`rehearsal: bash sleep ${toolSeconds} && echo slept`);
    await untilToolRuns(talker, turnId);
    await pause(random() * toolSeconds * 900);
    kills.push(...(await killOne(platform, talker, turnId, random)));
    await talker.settle(turnLimitMs);
  }
  return kills;
}

function has(talker: Talker, type: DurableEvent["type"], turnId: string): boolean {
  return talker.client.session.log().some((text) => text.includes(`"type":"${type}"`) && text.includes(turnId));
}

async function untilToolRuns(talker: Talker, turnId: string): Promise<void> {
  const end = performance.now() + startLimitMs;
  while (!has(talker, "tool.started", turnId) && performance.now() < end) await pause(lookMs);
}

/** The call may be there before its sandbox is. None where the turn ended first. */
async function killOne(
  platform: PlatformProcess,
  talker: Talker,
  turnId: string,
  random: () => number,
): Promise<Kill[]> {
  while (!has(talker, "turn.ended", turnId)) {
    const all = sandboxOfSession(platform.pid, talker.sessionId);
    const chosen = all[Math.floor(random() * all.length)];
    if (chosen && end(chosen.pid))
      return [{ kind: "sandbox", at: Date.now(), what: chosen.program, taskId: chosen.taskId }];
    await pause(lookMs);
  }
  return [];
}

/** False where it had ended by itself. */
function end(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}
