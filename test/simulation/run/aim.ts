import type { AimedCrash, CrashMoment } from "../kernel/faults.ts";
import { crashPoints } from "./crash-points.ts";

/** A schedule by its name: played again, it is the same. */
export interface Named {
  seed: number;
  aim: AimedCrash | null;
}

const moments: readonly CrashMoment[] = ["crash_before", "crash_after"];

/** As it is printed, and given back on the command line. */
export function nameOf({ point, moment, visit, sequel }: AimedCrash): string {
  return `${point} ${moment} ${visit} ${sequel}`;
}

export function aimOf(name: string): AimedCrash {
  const found = /^(\S+) (crash_before|crash_after) (\d+) (\d+)$/.exec(name);
  if (!found) throw new Error(`"${name}" names no crash: <point> <crash_before|crash_after> <visit> <sequel>`);
  const [, point = "", moment, visit, sequel] = found;
  return { point, moment: moment as CrashMoment, visit: Number(visit), sequel: Number(sequel) };
}

interface Passed {
  seed: number;
  visits: number;
  ios: number;
}

/** Of one point, so many schedules that passed it are enough to come back to: the shortest. */
const mostKnown = 32;
function replaceLongest(known: Passed[], passed: Passed): void {
  let longest = 0;
  for (const [at, { ios }] of known.entries()) if (ios > (known[longest] as Passed).ios) longest = at;
  if (passed.ios < (known[longest] as Passed).ios) known[longest] = passed;
}

/** A point that so many schedules aimed at for each crash is one that the aim misses. */
const triesFor = 6;

/**
 * Where too few processes died so far, and which schedules pass there. What it says next depends on the schedules before
 * it alone: a run that is repeated aims at the same.
 */
export class Aims {
  private readonly crashes = new Map<string, number>();
  private readonly passed = new Map<string, Passed[]>();
  private readonly tried = new Map<string, number>();
  private readonly wanted: number;

  /** So many crashes at each point, before and after. */
  constructor(wanted: number) {
    this.wanted = wanted;
  }

  /** After a schedule of a seed alone. */
  learn(seed: number, { visits, ios }: { visits: ReadonlyMap<string, number>; ios: number }): void {
    for (const [point, times] of visits) {
      const known = this.passed.get(point) ?? [];
      this.passed.set(point, known);
      const passed = { seed, visits: times, ios };
      if (known.length < mostKnown) known.push(passed);
      else replaceLongest(known, passed);
    }
  }

  count(injected: readonly string[]): void {
    for (const name of injected) this.crashes.set(name, (this.crashes.get(name) ?? 0) + 1);
  }

  /** The schedule with a crash where there were fewest; null where there were enough everywhere. */
  next(): Named | null {
    let least: { point: string; moment: CrashMoment; crashes: number } | null = null;
    for (const point of this.passed.keys()) {
      if (!(point in crashPoints)) continue;
      for (const moment of moments) {
        const name = `${point} ${moment}`;
        const crashes = this.crashes.get(name) ?? 0;
        const isHopeless = (this.tried.get(name) ?? 0) > triesFor * this.wanted;
        if (!isHopeless && crashes < this.wanted && crashes < (least?.crashes ?? Infinity))
          least = { point, moment, crashes };
      }
    }
    return least && this.aimAt(least.point, least.moment);
  }

  private aimAt(point: string, moment: CrashMoment): Named {
    const name = `${point} ${moment}`;
    const sequel = this.tried.get(name) ?? 0;
    this.tried.set(name, sequel + 1);
    const known = this.passed.get(point) ?? [];
    const { seed, visits } = known[sequel % known.length] as Passed;
    const visit = 1 + (Math.floor(sequel / known.length) % visits);
    return { seed, aim: { point, moment, visit, sequel } };
  }
}
