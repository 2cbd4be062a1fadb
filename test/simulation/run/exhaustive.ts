import type { IoFault } from "../kernel/faults.ts";
import { Random } from "../kernel/random.ts";
import type { Stage } from "../world/stage.ts";
import { playGolden, singleFaults } from "./golden.ts";
import type { Pasts } from "./past.ts";

export interface Exhausted {
  /** I/Os of the turn without a fault. */
  ios: number;
  /** What there is to try. */
  total: number;
  runs: number;
  worstRecoveryMs: number;
  failures: { at: string; violations: string[] }[];
}

/** This process's share of a list that several go through. */
export interface Share {
  process: number;
  processes: number;
}

type Faults = ReadonlyMap<number, IoFault>;

const nameOf = (faults: Faults) => [...faults].map(([at, { kind }]) => `${at} ${kind}`).join(", ");

interface Trials {
  ios: number;
  total: number;
  all: Iterable<Faults>;
  seconds: number;
}

async function tryAll(
  stage: Stage,
  pasts: Pasts,
  { ios, total, all, seconds }: Trials,
  share: Share,
): Promise<Exhausted> {
  const result: Exhausted = { ios, total, runs: 0, worstRecoveryMs: 0, failures: [] };
  const endsMs = performance.now() + seconds * 1000;
  let number = 0;
  for (const faults of all) {
    number += 1;
    if (number % share.processes !== share.process) continue;
    if (performance.now() > endsMs) break;
    const { violations, recoveryMs, injected } = (await playGolden(stage, pasts, faults)).played;
    result.runs += 1;
    result.worstRecoveryMs = Math.max(result.worstRecoveryMs, recoveryMs);
    if (violations.length > 0) result.failures.push({ at: `${nameOf(faults)} (${injected.join(", ")})`, violations });
  }
  return result;
}

async function iosOfGolden(stage: Stage, pasts: Pasts): Promise<number> {
  return (await playGolden(stage, pasts, new Map())).played.ios;
}

function* singles(ios: number): Generator<Faults> {
  for (let at = 0; at < ios; at += 1) for (const fault of singleFaults) yield new Map([[at, fault]]);
}

/** Every I/O of the golden turn, with every fault. */
export async function trySingles(stage: Stage, pasts: Pasts, share: Share): Promise<Exhausted> {
  const ios = await iosOfGolden(stage, pasts);
  const total = ios * singleFaults.length;
  return tryAll(stage, pasts, { ios, total, all: singles(ios), seconds: Infinity }, share);
}

const crashes: readonly IoFault[] = [{ kind: "crash_before" }, { kind: "crash_after" }];
const momentsOfPair = crashes.length ** 2;

/** The second may only come once the first did: the turn is a different one from there on, and longer. */
function pairAt(ios: number, number: number): Faults {
  let first = 0;
  let left = Math.floor(number / momentsOfPair);
  for (; left >= ios - 1 - first; first += 1) left -= ios - 1 - first;
  const moments = number % momentsOfPair;
  return new Map([
    [first, crashes[moments >> 1] as IoFault],
    [first + 1 + left, crashes[moments & 1] as IoFault],
  ]);
}

/** So many of `total` numbers, in an order that is drawn by the seed, none twice. */
function sampleOf(total: number, size: number, seed: number): number[] {
  const random = new Random(seed);
  const numbers = Uint32Array.from({ length: total }, (_, number) => number);
  const drawn = Math.min(size, total);
  for (let at = 0; at < drawn; at += 1) {
    const other = random.int(at, total - 1);
    [numbers[at], numbers[other]] = [numbers[other] as number, numbers[at] as number];
  }
  return [...numbers.subarray(0, drawn)];
}

function* pairs(
  ios: number,
  total: number,
  { sample, seed }: { sample: number | null; seed: number },
): Generator<Faults> {
  if (sample !== null) for (const number of sampleOf(total, sample, seed)) yield pairAt(ios, number);
  else for (let number = 0; number < total; number += 1) yield pairAt(ios, number);
}

/** Every two crashes of the golden turn, or a sample of them. */
export async function tryPairs(
  stage: Stage,
  pasts: Pasts,
  share: Share,
  drawn: { sample: number | null; seed: number; seconds: number },
): Promise<Exhausted> {
  const ios = await iosOfGolden(stage, pasts);
  const total = ((ios * (ios - 1)) / 2) * momentsOfPair;
  return tryAll(stage, pasts, { ios, total, all: pairs(ios, total, drawn), seconds: drawn.seconds }, share);
}
