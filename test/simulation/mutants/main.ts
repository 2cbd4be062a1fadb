import { parseArgs } from "node:util";
import { makePasts } from "../run/past.ts";
import { playSeed } from "../run/seeded.ts";
import { Stage } from "../world/stage.ts";

/** One mutant's process: plays seeds until something is wrong. A point for each schedule, and what it found as JSON. */
const { values } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    schedules: { type: "string", default: "1" },
    skip: { type: "string", default: "" },
  },
});

Error.stackTraceLimit = 0;
const stage = new Stage();
process.on("unhandledRejection", (error) => stage.world.kernel.rejected(error));
const pasts = await makePasts(stage);
const from = Number(values.from);
const skipped = new Set(values.skip.split(",").map(Number));
let found: { seed: number; violations: string[] } | null = null;
for (let seed = from; seed < from + Number(values.schedules) && !found; seed += 1) {
  if (skipped.has(seed)) continue;
  const { violations } = await playSeed(stage, pasts, seed);
  if (violations.length > 0) found = { seed, violations };
  process.stdout.write(".");
}
process.stdout.write(`\n${JSON.stringify(found)}`, () => process.exit(0));
