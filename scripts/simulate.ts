import { parseArgs } from "node:util";
import { coverageOf } from "../test/simulation/run/coverage.ts";
import {
  bundleSimulator,
  simulate,
  traceOf,
  traceOfGolden,
  tryCrashPairs,
  trySingleFaults,
} from "../test/simulation/run/processes.ts";
import type { Exhausted } from "../test/simulation/run/exhaustive.ts";
import type { Tally } from "../test/simulation/run/tally.ts";

const usage = `usage: npm run simulate -- [--schedules N] [--seed S] [--seconds T] [--processes P] [--points]
       npm run simulate -- --trace [--seed S [--aim A]]   (without a seed: the golden turn)
       npm run simulate -- --singles                      (each fault at each I/O of the golden turn)
       npm run simulate -- --pairs [--sample N --seed S] [--seconds T]   (each two crashes of it, or some)
Plays N schedules of the turn engine from seed S on, each with its own faults, and checks every session at its end. One of
three goes to where the fewest processes died: the name of such a crash, which a failure prints, is what --aim takes.`;

const shownFailures = 20;

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "20000" },
    seed: { type: "string" },
    aim: { type: "string" },
    sample: { type: "string" },
    seconds: { type: "string", default: "86400" },
    processes: { type: "string", default: "2" },
    trace: { type: "boolean", default: false },
    singles: { type: "boolean", default: false },
    pairs: { type: "boolean", default: false },
    points: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

async function showTrace(seed: number | null): Promise<boolean> {
  const { trace, violations } = await (seed === null ? traceOfGolden() : traceOf(seed, values.aim ?? null));
  console.log((trace ?? []).join("\n"));
  for (const violation of violations) console.log(`VIOLATION: ${violation}`);
  return violations.length === 0;
}

/** For `crash-points.ts`. */
function showPoints({ visits, schedules }: Tally): void {
  for (const [point, times] of Object.entries(visits).toSorted(([one], [other]) => (one < other ? -1 : 1))) {
    console.log(`  "${point}": ${Number((times / schedules).toPrecision(2))},`);
  }
}

function showCoverage(tally: Tally): boolean {
  const { short, least, rarest, unknown, wanted } = coverageOf(tally);
  console.log(`crashes at each point, before and after: ${least} at least (wanted: ${wanted})`);
  for (const { point, moment, crashes } of rarest) console.log(`  rarest: ${point} ${moment}: ${crashes}`);
  for (const { point, moment, crashes } of short) console.log(`  too few: ${point} ${moment}: ${crashes}`);
  if (unknown.length > 0) console.log(`  not on the list of crash points: ${unknown.join(", ")}`);
  return short.length === 0;
}

function showTally(tally: Tally, seconds: number): boolean {
  const { schedules, ios, modelCalls, wasted, worstRecoveryMs, failures } = tally;
  const rate = Math.round(schedules / seconds);
  console.log(
    `${schedules} schedules in ${Math.round(seconds)} s: ${rate}/s, ${Math.round(ios / schedules)} I/Os each`,
  );
  console.log(`model calls: ${modelCalls}, of which came to nothing: ${wasted}`);
  console.log(`longest recovery: ${Math.round(worstRecoveryMs / 1000)} virtual s`);
  console.log(`violations: ${failures.length}`);
  for (const { seed, aim, violations } of failures.slice(0, shownFailures)) {
    console.log(`  seed ${seed}${aim ? ` --aim "${aim}"` : ""}: ${violations.join("; ")}`);
  }
  return failures.length === 0;
}

function tryPairs(processes: number): Promise<Exhausted> {
  const sample = values.sample === undefined ? null : Number(values.sample);
  return tryCrashPairs(processes, { sample, seed: Number(values.seed ?? "1"), seconds: Number(values.seconds) });
}

async function showExhausted(mode: "singles" | "pairs", processes: number): Promise<boolean> {
  const startedMs = performance.now();
  const found = await (mode === "pairs" ? tryPairs(processes) : trySingleFaults(processes));
  const { ios, total, runs, worstRecoveryMs, failures } = found;
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(`${mode} over the ${ios} I/Os of the golden turn: ${runs} of ${total} in ${Math.round(seconds)} s`);
  if (runs < total) console.log(`all of them would take ${Math.round((total / runs) * (seconds / 60))} minutes`);
  console.log(`longest recovery: ${Math.round(worstRecoveryMs / 1000)} virtual s`);
  console.log(`violations: ${failures.length}`);
  for (const { at, violations } of failures.slice(0, shownFailures)) console.log(`  ${at}: ${violations.join("; ")}`);
  return failures.length === 0;
}

async function main(): Promise<boolean> {
  if (values.help) {
    console.log(usage);
    return true;
  }
  await bundleSimulator();
  const processes = Number(values.processes);
  if (values.trace) return showTrace(values.seed === undefined ? null : Number(values.seed));
  if (values.singles || values.pairs) return showExhausted(values.pairs ? "pairs" : "singles", processes);
  const startedMs = performance.now();
  const tally = await simulate({
    schedules: Number(values.schedules),
    from: Number(values.seed ?? "1"),
    processes,
    seconds: Number(values.seconds),
  });
  const isClean = showTally(tally, (performance.now() - startedMs) / 1000);
  if (values.points) showPoints(tally);
  return showCoverage(tally) && isClean;
}

process.exitCode = (await main()) ? 0 : 1;
