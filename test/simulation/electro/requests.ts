import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { makePasts } from "../run/past.ts";
import { playSeed } from "../run/seeded.ts";
import { Stage } from "../world/stage.ts";

/** Every request that some schedules make of the table, one digest for each kind and schedule: as JSON. */
const { values } = parseArgs({ options: { schedules: { type: "string", default: "1" } } });

/** Names stand in any order, and a set is a list here. */
function canonical(value: unknown): unknown {
  if (value instanceof Set) return [...value].map(canonical);
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, part]) => [name, canonical(part)]),
  );
}

Error.stackTraceLimit = 0;
let requests: string[] = [];
const stage = new Stage((name, input) => void requests.push(JSON.stringify([name, canonical(input)])));
process.on("unhandledRejection", (error) => stage.world.kernel.rejected(error));
const pasts = await makePasts(stage);

interface Asked {
  seed: number;
  requests: number;
  digest: string;
  violations: string[];
}

const all: Asked[] = [];
for (let seed = 1; seed <= Number(values.schedules); seed += 1) {
  requests = [];
  const { violations } = await playSeed(stage, pasts, seed);
  const digest = createHash("sha256").update(requests.join("\n")).digest("hex");
  all.push({ seed, requests: requests.length, digest, violations });
}
process.stdout.write(JSON.stringify(all), () => process.exit(0));
