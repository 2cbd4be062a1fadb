import { median, row } from "../figures.ts";
import { ratiosOf } from "./ratios.ts";
import type { Figures, Measured } from "./rounds.ts";

const columns: [name: string, unit: string, of: (figures: Figures, tools: number) => number][] = [
  ["wall", "ms", ({ wallMs }) => wallMs],
  ["first text delta", "ms", ({ firstDeltaMs }) => firstDeltaMs],
  ["CPU a step", "ms", ({ cpuMs }, tools) => cpuMs / (tools + 1)],
  ["resident", "MB", ({ residentMb }) => residentMb],
];

/** Medians of each, then ours against each peer: the median over rounds of the ratio in that round, with its range. */
export function report(measured: Measured, tools: number): void {
  const ours = measured.get("ours") ?? [];
  console.log(`\nturn of ${tools} tool calls, ${ours.length} rounds in random order`);
  for (const [name, rounds] of measured) row(`  ${name}`, medians(rounds, tools));
  for (const [name, rounds] of measured) {
    if (name !== "ours") row(`  ours / ${name}`, ratios(ours, rounds, tools));
  }
}

function medians(rounds: Figures[], tools: number): string {
  const cells = columns.map(([name, unit, of]) => {
    const values = rounds.map((figures) => of(figures, tools));
    const digits = median(values) < 20 ? 1 : 0;
    const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
    return `${name} ${median(values).toFixed(digits)} ${unit} [${low}..${high}]`;
  });
  return cells.join("; ");
}

function ratios(ours: Figures[], theirs: Figures[], tools: number): string {
  const cells = columns.map(([name, , of]) => {
    const [a, b] = [ours, theirs].map((rounds) => rounds.map((figures) => of(figures, tools)));
    const ratio = ratiosOf(a ?? [], b ?? []);
    return `${name} x${ratio.median.toFixed(2)} [${ratio.min.toFixed(2)}..${ratio.max.toFixed(2)}]`;
  });
  return cells.join("; ");
}
