export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Median and range, in whole numbers. */
export function range(values: number[], unit = "ms"): string {
  return `${median(values).toFixed(0)} ${unit} [${Math.min(...values).toFixed(0)}..${Math.max(...values).toFixed(0)}]`;
}

/** One row of what the bench prints. */
export function row(name: string, figure: string): void {
  console.log(`${name.padEnd(44)} ${figure}`);
}
