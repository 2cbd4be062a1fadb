import { parseArgs } from "node:util";
import { trySingles } from "../run/exhaustive.ts";
import { makePasts } from "../run/past.ts";
import { playRecovered } from "../run/recovered.ts";
import { playSeed } from "../run/seeded.ts";
import { Stage } from "../world/stage.ts";

/** One mutant's process: plays until something is wrong. A point for each schedule, and what it found as JSON. */
const { values } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    schedules: { type: "string", default: "1" },
    skip: { type: "string", default: "" },
    singles: { type: "boolean", default: false },
  },
});

interface Found {
  at: string;
  violations: string[];
}

Error.stackTraceLimit = 0;
const stage = new Stage();
process.on("unhandledRejection", (error) => stage.world.kernel.rejected(error));
const pasts = await makePasts(stage);

async function amongRecovered(): Promise<Found | null> {
  for (const { was, violations, recoveryMs, withinMs, containers } of await playRecovered(stage, pasts)) {
    process.stdout.write(".");
    const at = `once ${was}`;
    if (violations.length > 0) return { at, violations };
    if (recoveryMs > withinMs) return { at, violations: [`I5 it took ${Math.round(recoveryMs / 1000)} s`] };
    if (containers !== 1) return { at, violations: [`I6 it took ${containers} containers`] };
  }
  return null;
}

async function amongSeeds(): Promise<Found | null> {
  const from = Number(values.from);
  const skipped = new Set(values.skip.split(",").map(Number));
  for (let seed = from; seed < from + Number(values.schedules); seed += 1) {
    if (skipped.has(seed)) continue;
    const { violations } = await playSeed(stage, pasts, seed);
    process.stdout.write(".");
    if (violations.length > 0) return { at: `seed ${seed}`, violations };
  }
  return null;
}

async function amongSingles(): Promise<Found | null> {
  if (!values.singles) return null;
  const progress = setInterval(() => process.stdout.write(" "), 1000);
  const { failures } = await trySingles(stage, pasts, { process: 0, processes: 1 });
  clearInterval(progress);
  const [first] = failures;
  return first ? { at: `golden turn, ${first.at}`, violations: first.violations } : null;
}

const found = (await amongRecovered()) ?? (await amongSeeds()) ?? (await amongSingles());
process.stdout.write(`\n${JSON.stringify(found)}`, () => process.exit(0));
