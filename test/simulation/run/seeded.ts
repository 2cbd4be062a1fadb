import { AimedFaults, noBias, RandomFaults } from "../kernel/faults.ts";
import { Random } from "../kernel/random.ts";
import { randomScenario } from "../world/scenario.ts";
import type { Stage } from "../world/stage.ts";
import { Aims, nameOf, type Named } from "./aim.ts";
import { wantedCrashes } from "./coverage.ts";
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
const directedShare = 0.6;

const crashChances = new Map(
  Object.entries(crashPoints).map(([point, visits]) => [point, Math.min(mostLikely, (2 * wantedAtPoint) / visits)]),
);

/** The schedule of a name, always the same. */
export function playNamed(stage: Stage, pasts: Pasts, { seed, aim }: Named, traced = false): Promise<Played> {
  const random = new Random(seed);
  const draws = random.fork();
  const { scenario, bias } = random.chance(directedShare)
    ? drawDirected(draws)
    : { scenario: randomScenario(draws), bias: noBias };
  const drawn = new RandomFaults({
    crashChances,
    probability: random.pick([0, 0.004, 0.01, 0.03]),
    most: random.int(1, 6),
    skews: random.chance(0.2),
    bias,
  });
  const faults = aim ? new AimedFaults(drawn, aim) : drawn;
  return play(stage, pasts, random.fork(), { scenario, faults, traced });
}

/** The schedule of a seed alone. */
export function playSeed(stage: Stage, pasts: Pasts, seed: number): Promise<Played> {
  return playNamed(stage, pasts, { seed, aim: null });
}

/** Of so many schedules one goes where too few processes died, if there is such a place. */
const aimsEach = 3;

/** This process's share of `schedules`, as many as so many seconds hold: seeds from `from` on, and aimed ones in between. */
export async function playSeeds(
  stage: Stage,
  pasts: Pasts,
  { from, schedules, share, seconds }: { from: number; schedules: number; share: Share; seconds: number },
): Promise<Tally> {
  const tally = emptyTally();
  const endsMs = performance.now() + seconds * 1000;
  const aims = new Aims(Math.ceil(wantedCrashes / share.processes));
  let seed = from + share.process;
  for (let number = share.process; number < schedules; number += share.processes) {
    if (performance.now() > endsMs) break;
    const aimed = tally.schedules % aimsEach === aimsEach - 1 ? aims.next() : null;
    const named = aimed ?? { seed, aim: null };
    const played = await playNamed(stage, pasts, named);
    count(tally, named.seed, played, named.aim && nameOf(named.aim));
    aims.count(played.injected);
    if (aimed) continue;
    aims.learn(seed, played.visits);
    seed += share.processes;
  }
  return tally;
}
