import type { CrashMoment } from "../kernel/faults.ts";
import { crashPoints, rarePoints } from "./crash-points.ts";
import type { Tally } from "./tally.ts";

/** Of 20,000 schedules, at each crash point, before and after. */
export const wantedCrashes = 100;
const ofSchedules = 20_000;
const moments: CrashMoment[] = ["crash_before", "crash_after"];

export interface Coverage {
  /** Crash points with a moment at which too few processes died. */
  short: { point: string; moment: CrashMoment; crashes: number }[];
  /** The least of all points and moments, and the ones that were tried least. */
  least: number;
  rarest: Coverage["short"];
  /** Points that were passed, and are on no list: nobody knows how rare they are. */
  unknown: string[];
  wanted: number;
}

/** Fewer schedules ask for fewer crashes, with room for chance. */
function wantedOf(schedules: number): number {
  const expected = (wantedCrashes * schedules) / ofSchedules;
  return schedules >= ofSchedules ? wantedCrashes : Math.max(0, Math.floor(expected - 3 * Math.sqrt(expected)));
}

export function coverageOf({ schedules, visits, injected }: Tally): Coverage {
  const wanted = wantedOf(schedules);
  const crashes = Object.keys(crashPoints).flatMap((point) =>
    moments.map((moment) => ({ point, moment, crashes: injected[`${point} ${moment}`] ?? 0 })),
  );
  return {
    short: crashes.filter((one) => one.crashes < wanted),
    least: Math.min(...crashes.map((one) => one.crashes)),
    rarest: crashes.toSorted((one, other) => one.crashes - other.crashes).slice(0, 5),
    unknown: Object.keys(visits).filter((point) => !(point in crashPoints) && !rarePoints.includes(point)),
    wanted,
  };
}
