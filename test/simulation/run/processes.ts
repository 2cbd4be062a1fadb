import { spawn } from "node:child_process";
import { build, type Plugin } from "esbuild";
import { resolve } from "node:path";
import type { Exhausted } from "./exhaustive.ts";
import { merge, type Tally } from "./tally.ts";
import type { RecoveredRun } from "./recovered.ts";
import type { Played } from "./schedule.ts";

const root = resolve(import.meta.dirname, "../../..");
const program = resolve(root, ".cache/simulation/main.mjs");
const requireBanner = 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);';

/** The simulator as one file: it starts at once, without the SDK. */
export async function bundleSimulator(
  entry = "test/simulation/run/main.ts",
  outfile = program,
  plugins: Plugin[] = [],
): Promise<void> {
  await build({
    entryPoints: [resolve(root, entry)],
    outfile,
    plugins,
    bundle: true,
    platform: "node",
    format: "esm",
    sourcemap: "inline",
    logLevel: "error",
    alias: {
      "@aws-sdk/lib-dynamodb": resolve(root, "test/simulation/run/plain-commands.ts"),
      electrodb: resolve(root, "test/simulation/electro/electrodb.ts"),
    },
    banner: { js: requireBanner },
  });
}

function run(options: string[]): Promise<unknown> {
  const child = spawn(process.execPath, ["--max-semi-space-size=64", "--enable-source-maps", program, ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const parts: Buffer[] = [];
  child.stdout.on("data", (part: Buffer) => parts.push(part));
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code) => {
      if (code !== 0) return fail(new Error(`the simulator ended with ${code}`));
      done(JSON.parse(Buffer.concat(parts).toString("utf8")));
    });
  });
}

function inShares(processes: number, options: string[], parts = 1): Promise<unknown[]> {
  const shares = Array.from({ length: processes }, (_, process) =>
    run([...options, "--process", String(process), "--processes", String(processes * parts)]),
  );
  return Promise.all(shares);
}

export interface Simulation {
  schedules: number;
  from: number;
  processes: number;
  /** No schedule begins after this. */
  seconds: number;
}

export async function simulate({ schedules, from, processes, seconds }: Simulation): Promise<Tally> {
  const numbers = { schedules, from, seconds };
  const options = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const tallies = await inShares(processes, options);
  return merge(tallies as Tally[]);
}

/** Every single fault of the golden turn, or one of so many parts of them. */
export async function trySingleFaults(processes: number, of = 1): Promise<Exhausted> {
  return together(await inShares(processes, ["--mode", "singles"], of));
}

/** So many pairs of crashes of the golden turn, drawn by the seed; null: all. None begins after so many seconds. */
interface Pairs {
  sample: number | null;
  seed: number;
  seconds: number;
}

export async function tryCrashPairs(processes: number, { sample, seed, seconds }: Pairs): Promise<Exhausted> {
  const drawn = sample === null ? [] : ["--sample", String(sample), "--from", String(seed)];
  return together(await inShares(processes, ["--mode", "pairs", "--seconds", String(seconds), ...drawn]));
}

function together(found: unknown[]): Exhausted {
  const parts = found as Exhausted[];
  return {
    ios: parts[0]?.ios ?? 0,
    total: parts[0]?.total ?? 0,
    runs: parts.reduce((sum, { runs }) => sum + runs, 0),
    worstRecoveryMs: Math.max(...parts.map(({ worstRecoveryMs }) => worstRecoveryMs)),
    failures: parts.flatMap(({ failures }) => failures),
  };
}

export async function traceOf(seed: number, aim: string | null = null): Promise<Played> {
  return (await run(["--mode", "trace", "--from", String(seed), ...(aim ? ["--aim", aim] : [])])) as Played;
}

/** The golden turn as it goes without a fault. */
export async function traceOfGolden(): Promise<Played> {
  return (await run(["--mode", "golden"])) as Played;
}

export async function recoveries(): Promise<RecoveredRun[]> {
  return (await run(["--mode", "recovered"])) as RecoveredRun[];
}
