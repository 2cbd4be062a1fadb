import { coverageOf } from "./run/coverage.ts";
import {
  bundleSimulator,
  recoveries,
  simulate,
  traceOf,
  traceOfGolden,
  tryCrashPairs,
  trySingleFaults,
} from "./run/processes.ts";

const processes = 2;
const schedules = 20_000;
const seconds = 55;
/** Of the single faults, one in so many: `npm run simulate -- --singles` tries them all. */
const singlesParts = 3;
/** `npm run simulate -- --pairs` tries more. */
const pairs = 160;
/** A machine that is busy with other things plays fewer. */
const fewestSchedules = 1000;

describe("the turn engine, simulated", () => {
  beforeAll(() => bundleSimulator(), 60_000);

  test("a seed is one schedule: played again, it is the same to the last event", async () => {
    const seeds = [12, 213, 308, 1033];
    const aim = "worker/model.end crash_after 1 7";
    const playAll = () => Promise.all([...seeds.map((seed) => traceOf(seed)), traceOf(12, aim)]);
    const once = await playAll();
    const again = await playAll();
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
    const { runs, ios, failures } = await trySingleFaults(processes, singlesParts);
    expect(runs).toBeGreaterThan(ios);
    expect(failures).toEqual([]);
  }, 600_000);

  test("two crashes of the golden turn, a sample of all pairs", async () => {
    const { runs, total, failures } = await tryCrashPairs(processes, { sample: pairs, seed: 1, seconds: 60 });
    expect(runs).toBe(pairs);
    expect(total).toBeGreaterThan(runs);
    expect(failures).toEqual([]);
  }, 120_000);

  test("20,000 schedules, or what 55 seconds hold: no violation, and every crash point was tried", async () => {
    const tally = await simulate({ schedules, from: 1, processes, seconds });
    const { least, short } = coverageOf(tally);
    process.stderr.write(`simulation: ${tally.schedules} schedules, each crash point at least ${least} times\n`);
    expect(tally.failures).toEqual([]);
    expect(tally.schedules).toBeGreaterThanOrEqual(fewestSchedules);
    expect(short).toEqual([]);
  }, 300_000);
});
