import { median } from "../figures.ts";

/** Of the per-round ratios, never the ratio of two medians: a machine that drifts drifts for both in a round. */
export interface RatioSummary {
  median: number;
  min: number;
  max: number;
}

export function ratiosOf(ours: readonly number[], theirs: readonly number[]): RatioSummary {
  if (ours.length !== theirs.length) throw new Error("ratios need both figures of each round");
  const ratios = ours.map((value, round) => value / (theirs[round] ?? Number.NaN));
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}

/** A generator of numbers in [0, 1): the same seed, the same order of rounds (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffled<T>(values: readonly T[], random: () => number): T[] {
  return values
    .map((value) => ({ value, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
