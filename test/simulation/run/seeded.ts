import { noBias, RandomFaults } from "../kernel/faults.ts";
import { Random } from "../kernel/random.ts";
import { randomScenario } from "../world/scenario.ts";
import type { Stage } from "../world/stage.ts";
import { crashPoints } from "./crash-points.ts";
import { drawDirected } from "./directed.ts";
import type { Share } from "./exhaustive.ts";
import type { Pasts } from "./past.ts";
import { play, type Played } from "./schedule.ts";
import { count, emptyTally, type Tally } from "./tally.ts";

/** Of a schedule, to crash at one point at one moment: 20,000 of them come to 200. */
const wantedAtPoint = 0.011;
const mostLikely = 0.5;
/** The other schedules are drawn at random. */
const directedShare = 0.4;

const crashChances = new Map(
  Object.entries(crashPoints).map(([point, visits]) => [point, Math.min(mostLikely, (2 * wantedAtPoint) / visits)]),
);

/** The schedule of a seed, always the same. */
export function playSeed(stage: Stage, pasts: Pasts, seed: number, traced = false): Promise<Played> {
  const random = new Random(seed);
  const draws = random.fork();
  const { scenario, bias } = random.chance(directedShare)
    ? drawDirected(draws)
    : { scenario: randomScenario(draws), bias: noBias };
  const faults = new RandomFaults({
    crashChances,
    probability: random.pick([0, 0.004, 0.01, 0.03]),
    most: random.int(1, 6),
    skews: random.chance(0.2),
    bias,
  });
  return play(stage, pasts, random.fork(), { scenario, faults, traced });
}

/** This process's share of `schedules` seeds from `from` on, as many as so many seconds hold. */
export async function playSeeds(
  stage: Stage,
  pasts: Pasts,
  { from, schedules, share, seconds }: { from: number; schedules: number; share: Share; seconds: number },
): Promise<Tally> {
  const tally = emptyTally();
  const endsMs = performance.now() + seconds * 1000;
  for (let seed = from + share.process; seed < from + schedules; seed += share.processes) {
    if (performance.now() > endsMs) break;
    count(tally, seed, await playSeed(stage, pasts, seed));
  }
  return tally;
}
