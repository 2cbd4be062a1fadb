import * as fc from "fast-check";
import type { Person } from "../../support/local-platform.ts";
import { startPuppet, type Puppet } from "../../support/puppet.ts";
import { anyMove, type Move } from "./moves.ts";
import { Oracle } from "./oracle.ts";
import { World } from "./world.ts";

/** Minutes of a long run; without it a short one, as CI does it. */
const minutes = Number(process.env["ROUND_TRIP_MINUTES"] ?? 0);
const shortMs = 15_000;
const budgetMs = minutes > 0 ? minutes * 60_000 : shortMs;
const seed = Number(process.env["ROUND_TRIP_SEED"] ?? Math.floor(Math.random() * 1e9));
const path = process.env["ROUND_TRIP_PATH"];

jest.setTimeout(budgetMs + 300_000);

let puppet: Puppet;
let person: Person;
const oracle = new Oracle();

beforeAll(async () => {
  ({ puppet, person } = await startPuppet());
});
afterAll(async () => {
  await puppet.stop();
  oracle.remove();
});

async function play(moves: readonly Move[]): Promise<Record<string, number>> {
  const world = await World.open(puppet, person, oracle);
  for (const [index, move] of moves.entries()) {
    await world.play(move).catch((error: unknown) => {
      const until = JSON.stringify(moves.slice(0, index + 1));
      throw new Error(`${String(error)}\nat move ${index + 1} of ${until}`, { cause: error });
    });
  }
  await world.end();
  return world.counts;
}

test("whatever happens to a session, its checkpoints and its workspace are what git says", async () => {
  const until = Date.now() + budgetMs;
  const sum: Record<string, number> = {};
  let runs = 0;
  const property = fc.asyncProperty(fc.array(anyMove, { minLength: 5, maxLength: 14 }), async (moves) => {
    if (Date.now() > until) return;
    const counts = await play(moves);
    for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count;
    runs += 1;
  });
  console.info(`round trip: ROUND_TRIP_SEED=${seed}`);
  await fc.assert(property, {
    seed,
    numRuns: minutes > 0 ? 10_000 : 20,
    endOnFailure: true,
    includeErrorInReport: true,
    ...(path === undefined ? {} : { path }),
  });
  console.info(`round trip: ${runs} sessions, ${JSON.stringify(sum)}`);
  expect(runs).toBeGreaterThan(0);
  expect(sum["checkpoints"] ?? 0).toBeGreaterThan(0);
});
