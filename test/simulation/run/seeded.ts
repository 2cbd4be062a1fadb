import { AimedFaults, noBias, RandomFaults, type Bias } from "../kernel/faults.ts";
import { Random } from "../kernel/random.ts";
import { randomScenario, smallScenario, type Scenario } from "../world/scenario.ts";
import type { Stage } from "../world/stage.ts";
import { Aims, nameOf, type Named } from "./aim.ts";
import { wantedCrashes } from "./coverage.ts";
import { crashPoints } from "./crash-points.ts";
import { drawDirected } from "./directed.ts";
import type { Share } from "./exhaustive.ts";
import type { Pasts } from "./past.ts";
import { play, type Played } from "./schedule.ts";
import { count, emptyTally, type Tally } from "./tally.ts";

/** Of a schedule, to crash at one point at one moment: 20,000 of them come to 120. */
const wantedAtPoint = 0.006;
const mostLikely = 0.5;
/** Of the schedules; the others are drawn at random, of any size. */
const smallShare = 0.78;
const directedShare = 0.14;
/** Of an I/O to fail: where there are fewer of them, each is likelier to. */
const probabilities = [0, 0.004, 0.01, 0.03];
const probabilitiesOfSmall = [0, 0.012, 0.03, 0.09];
/** Of the small ones, so many are in one of these worlds: places that are seldom passed in others. */
const oddShare = 0.1;
const oddWorlds: readonly Bias["world"][] = [
  { dead_letter: 0.6, tool_hangs: 0.5 },
  { cut_link: 0.6, drop: 0.2 },
  { push_fails: 1, delay: 0.1 },
  { forge: 1 },
  { double: 0.3, forge: 1 },
];

const crashChances = new Map(
  Object.entries(crashPoints).map(([point, visits]) => [point, Math.min(mostLikely, (2 * wantedAtPoint) / visits)]),
);

interface Drawn {
  scenario: Scenario;
  bias: Bias;
  probabilities: readonly number[];
}

function drawScenario(random: Random, draws: Random): Drawn {
  const kind = random.next();
  if (kind < smallShare) {
    const scenario = smallScenario(draws);
    const bias = draws.chance(oddShare) ? { io: [], world: draws.pick(oddWorlds), most: 8 } : noBias;
    return { scenario, bias, probabilities: probabilitiesOfSmall };
  }
  if (kind < smallShare + directedShare) return { ...drawDirected(draws), probabilities };
  return { scenario: randomScenario(draws), bias: noBias, probabilities };
}

/** The schedule of a name, always the same. */
export function playNamed(stage: Stage, pasts: Pasts, { seed, aim }: Named, traced = false): Promise<Played> {
  const random = new Random(seed);
  const { scenario, bias, probabilities: likely } = drawScenario(random, random.fork());
  const drawn = new RandomFaults({
    crashChances,
    probability: random.pick(likely),
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
    aims.learn(seed, played);
    seed += share.processes;
  }
  return tally;
}
