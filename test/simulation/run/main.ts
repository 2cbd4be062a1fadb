import { parseArgs } from "node:util";
import { Stage } from "../world/stage.ts";
import { aimOf } from "./aim.ts";
import { tryPairs, trySingles } from "./exhaustive.ts";
import { playGolden } from "./golden.ts";
import { makePasts } from "./past.ts";
import { playRecovered } from "./recovered.ts";
import { playNamed, playSeeds } from "./seeded.ts";

/** One process of a simulation: writes what it found, as JSON, to its output. */
const { values } = parseArgs({
  options: {
    mode: { type: "string", default: "seeds" },
    from: { type: "string", default: "1" },
    aim: { type: "string" },
    sample: { type: "string" },
    seconds: { type: "string", default: "86400" },
    schedules: { type: "string", default: "1" },
    process: { type: "string", default: "0" },
    processes: { type: "string", default: "1" },
  },
});

const traces = values.mode === "trace" || values.mode === "golden";
// ElectroDB makes an error, with its stack, before each request: half of what a request costs.
if (!traces) Error.stackTraceLimit = 0;

const stage = new Stage();
process.on("unhandledRejection", (error) => stage.world.kernel.rejected(error));
const pasts = await makePasts(stage);
const from = Number(values.from);
const share = { process: Number(values.process), processes: Number(values.processes) };

async function run(): Promise<unknown> {
  switch (values.mode) {
    case "trace":
      return playNamed(stage, pasts, { seed: from, aim: values.aim ? aimOf(values.aim) : null }, true);
    case "golden":
      return (await playGolden(stage, pasts, new Map(), true)).played;
    case "recovered":
      return playRecovered(stage, pasts);
    case "singles":
      return trySingles(stage, pasts, share);
    case "pairs":
      return tryPairs(stage, pasts, share, {
        sample: values.sample === undefined ? null : Number(values.sample),
        seed: from,
        seconds: Number(values.seconds),
      });
    default:
      return playSeeds(stage, pasts, {
        from,
        schedules: Number(values.schedules),
        seconds: Number(values.seconds),
        share,
      });
  }
}

const result = await run();
process.stdout.write(JSON.stringify(result), () => process.exit(0));
