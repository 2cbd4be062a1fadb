export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Median and range, in whole numbers. */
export function range(values: number[], unit = "ms"): string {
  return `${median(values).toFixed(0)} ${unit} [${Math.min(...values).toFixed(0)}..${Math.max(...values).toFixed(0)}]`;
}

/** Median and range, to a tenth. */
export function milliseconds(values: number[]): string {
  return `${median(values).toFixed(1)} ms [${Math.min(...values).toFixed(1)}..${Math.max(...values).toFixed(1)}]`;
}

/** Median and range of the rounds' ratios. */
export function ratio(ours: number[], theirs: number[]): string {
  const ratios = ours.map((value, round) => value / (theirs[round] ?? Number.NaN));
  return `x${median(ratios).toFixed(2)} [${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)}]`;
}

/** One row of what the bench prints. */
export function row(name: string, figure: string): void {
  console.log(`${name.padEnd(44)} ${figure}`);
}
