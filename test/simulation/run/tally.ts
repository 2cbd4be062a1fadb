import type { Played } from "./schedule.ts";

/** What many schedules came to; plain, so that it crosses processes. */
export interface Tally {
  schedules: number;
  ios: number;
  modelCalls: number;
  wasted: number;
  worstRecoveryMs: number;
  /** Visits of each crash point. */
  visits: Record<string, number>;
  /** `<point> <kind>`: how often it was injected. */
  injected: Record<string, number>;
  failures: { seed: number; aim: string | null; violations: string[] }[];
}

export function emptyTally(): Tally {
  return { schedules: 0, ios: 0, modelCalls: 0, wasted: 0, worstRecoveryMs: 0, visits: {}, injected: {}, failures: [] };
}

function add(into: Record<string, number>, from: Iterable<[string, number]>): void {
  for (const [name, count] of from) into[name] = (into[name] ?? 0) + count;
}

export function count(tally: Tally, seed: number, played: Played, aim: string | null): void {
  tally.schedules += 1;
  tally.ios += played.ios;
  tally.modelCalls += played.modelCalls;
  tally.wasted += played.wasted;
  tally.worstRecoveryMs = Math.max(tally.worstRecoveryMs, played.recoveryMs);
  add(tally.visits, played.visits);
  for (const name of played.injected) add(tally.injected, [[name, 1]]);
  if (played.violations.length > 0) tally.failures.push({ seed, aim, violations: played.violations });
}

export function merge(tallies: Tally[]): Tally {
  const all = emptyTally();
  for (const one of tallies) {
    all.schedules += one.schedules;
    all.ios += one.ios;
    all.modelCalls += one.modelCalls;
    all.wasted += one.wasted;
    all.worstRecoveryMs = Math.max(all.worstRecoveryMs, one.worstRecoveryMs);
    add(all.visits, Object.entries(one.visits));
    add(all.injected, Object.entries(one.injected));
    all.failures.push(...one.failures);
  }
  return all;
}
