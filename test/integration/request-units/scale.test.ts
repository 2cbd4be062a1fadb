import { startScaledTenant, type ScaledTenant } from "../../support/scale.ts";
import { meterOf, type Units } from "../../support/request-units/meter.ts";

const sizes = [
  { sessions: 480, messages: 153 },
  { sessions: 1200, messages: 612 },
];
let tenants: ScaledTenant[];

async function unitsOf({ platform, calls, get }: ScaledTenant): Promise<Map<string, Units>> {
  const meter = meterOf(platform.client);
  const units = new Map<string, Units>();
  // What waits is counted, up to a thousand.
  for (const [name, paths] of calls.filter(([called]) => called !== "inbox counts")) {
    const run = async () => {
      for (const path of paths) await get(path);
    };
    units.set(name, await meter.of(run));
  }
  return units;
}

beforeAll(async () => {
  tenants = [];
  for (const size of sizes) tenants.push(await startScaledTenant(size));
}, 60_000);
afterAll(() => Promise.all(tenants.map(({ platform }) => platform.stop())));

test("what a page costs does not grow with the sessions and messages that there are", async () => {
  const [small, large] = [await unitsOf(tenants[0] as ScaledTenant), await unitsOf(tenants[1] as ScaledTenant)];
  const grown = [...large].filter(([name, units]) => {
    const before = small.get(name) ?? { reads: 0, writes: 0, requests: 0 };
    // A row more or less changes what 4 KB hold.
    return units.reads > before.reads + 1 || units.writes > before.writes || units.requests > before.requests;
  });
  expect(grown.map(([name, units]) => [name, { units, before: small.get(name) }])).toEqual([]);
});
