import { coverageOf } from "./run/coverage.ts";
import { bundleSimulator, exhaust, recoveries, simulate, traceOf, traceOfGolden } from "./run/processes.ts";

const processes = 2;
const schedules = 20_000;
const seconds = 60;
/** Of the single faults, one in so many: `npm run simulate -- --singles` tries them all. */
const singlesParts = 5;
/** A machine that is busy with other things plays fewer. */
const fewestSchedules = 200;

describe("the turn engine, simulated", () => {
  beforeAll(() => bundleSimulator(), 60_000);

  test("a seed is one schedule: played again, it is the same to the last event", async () => {
    const seeds = [12, 213, 308, 1033];
    const once = await Promise.all(seeds.map(traceOf));
    const again = await Promise.all(seeds.map(traceOf));
    expect(again).toEqual(once);
    expect(Math.min(...once.map(({ trace }) => trace?.length ?? 0))).toBeGreaterThan(20);
    expect(once.flatMap(({ injected }) => injected).length).toBeGreaterThan(0);
  }, 60_000);

  test("what schedules at random found before does not come back", async () => {
    const runs = await recoveries();
    expect(runs.filter(({ violations }) => violations.length > 0)).toEqual([]);
    expect(runs.filter(({ injected, wanted }) => injected < wanted)).toEqual([]);
    expect(runs.filter(({ recoveryMs, withinMs }) => recoveryMs > withinMs)).toEqual([]);
    expect(runs.map(({ containers }) => containers)).toEqual(runs.map(() => 1));
  }, 60_000);

  test("the golden turn asks a person, is interrupted with a call under way, and goes on", async () => {
    const { trace, violations } = await traceOfGolden();
    const text = (trace ?? []).join("\n");
    expect(violations).toEqual([]);
    for (const part of ["client decides", "turn.interrupt", "sockets.post:tool.cancel", "Prompt 2"]) {
      expect(text).toContain(part);
    }
  });

  test("one fault at an I/O of the golden turn leaves every session right, and at rest in time", async () => {
    const { runs, ios, failures } = await exhaust("singles", processes, singlesParts);
    expect(runs).toBeGreaterThan(ios);
    expect(failures).toEqual([]);
  }, 600_000);

  test("20,000 schedules, or what 60 seconds hold: no violation, and every crash point was tried", async () => {
    const tally = await simulate({ schedules, from: 1, processes, seconds });
    const { least, short } = coverageOf(tally);
    process.stderr.write(`simulation: ${tally.schedules} schedules, each crash point at least ${least} times\n`);
    expect(tally.failures).toEqual([]);
    expect(tally.schedules).toBeGreaterThanOrEqual(fewestSchedules);
    expect(short).toEqual([]);
  }, 300_000);
});
