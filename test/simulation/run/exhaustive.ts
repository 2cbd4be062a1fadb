import type { IoFault } from "../kernel/faults.ts";
import type { Stage } from "../world/stage.ts";
import { playGolden, singleFaults } from "./golden.ts";
import type { Pasts } from "./past.ts";

export interface Exhausted {
  /** I/Os of the turn without a fault. */
  ios: number;
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

async function tryAll(stage: Stage, pasts: Pasts, all: Iterable<Faults>, share: Share): Promise<Exhausted> {
  const { played } = await playGolden(stage, pasts, new Map());
  const result: Exhausted = { ios: played.ios, runs: 0, worstRecoveryMs: 0, failures: [] };
  let number = 0;
  for (const faults of all) {
    number += 1;
    if (number % share.processes !== share.process) continue;
    const { violations, recoveryMs, injected } = (await playGolden(stage, pasts, faults)).played;
    result.runs += 1;
    result.worstRecoveryMs = Math.max(result.worstRecoveryMs, recoveryMs);
    if (violations.length > 0) result.failures.push({ at: `${nameOf(faults)} (${injected.join(", ")})`, violations });
  }
  return result;
}

function* singles(ios: number): Generator<Faults> {
  for (let at = 0; at < ios; at += 1) for (const fault of singleFaults) yield new Map([[at, fault]]);
}

/** Every I/O of the golden turn, with every fault. */
export async function trySingles(stage: Stage, pasts: Pasts, share: Share): Promise<Exhausted> {
  const { played } = await playGolden(stage, pasts, new Map());
  return tryAll(stage, pasts, singles(played.ios), share);
}

const crashes: readonly IoFault[] = [{ kind: "crash_before" }, { kind: "crash_after" }];

/** The second may only come once the first did: the turn is a different one from there on, and longer. */
function* pairs(ios: number): Generator<Faults> {
  for (let first = 0; first < ios; first += 1) {
    for (let second = first + 1; second < ios; second += 1) {
      for (const one of crashes) {
        for (const other of crashes) {
          yield new Map([
            [first, one],
            [second, other],
          ]);
        }
      }
    }
  }
}

/** Every two crashes of the golden turn. */
export async function tryPairs(stage: Stage, pasts: Pasts, share: Share): Promise<Exhausted> {
  const { played } = await playGolden(stage, pasts, new Map());
  return tryAll(stage, pasts, pairs(played.ios), share);
}
