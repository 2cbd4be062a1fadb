import { meterOf, type Meter } from "../../test/support/request-units/meter.ts";
import { onePage, startScaledTenant, type ScaledTenant, type Size } from "../../test/support/scale.ts";

const large: Size = { sessions: 10_000, messages: 10_002 };
const warmUps = 3;
const rounds = 15;

interface Measured {
  ms: number[];
  reads: number;
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

async function run({ get }: ScaledTenant, paths: string[]): Promise<number> {
  const before = performance.now();
  for (const path of paths) await get(path);
  return performance.now() - before;
}

/** Both by turns, so that what the machine does beside it falls on both. */
async function measure(tenants: [ScaledTenant, Meter][], call: number): Promise<Measured[]> {
  const measured = tenants.map((): Measured => ({ ms: [], reads: 0 }));
  for (let round = -warmUps; round < rounds; round += 1) {
    for (const [at, [tenant, meter]] of tenants.entries()) {
      const of = measured[at];
      const paths = tenant.calls[call]?.[1] ?? [];
      const units = await meter.of(async () => {
        const ms = await run(tenant, paths);
        if (round >= 0) of?.ms.push(ms);
      });
      if (of) of.reads = units.reads;
    }
  }
  return measured;
}

function line(name: string, [small, full]: Measured[]): string {
  const [before, after] = [median(small?.ms ?? []), median(full?.ms ?? [])];
  const times = `${before.toFixed(1).padStart(7)} ms ${after.toFixed(1).padStart(7)} ms  x${(after / before).toFixed(2)}`;
  return `${name.padEnd(42)}${times}  read units ${small?.reads ?? 0} -> ${full?.reads ?? 0}`;
}

/** Lists and histories of a tenant with 10,000 sessions and 10,000 messages, against one that fills one page of each. */
export async function measureScale(): Promise<void> {
  const before = performance.now();
  const small = await startScaledTenant(onePage);
  const full = await startScaledTenant(large);
  console.log(`10,000 sessions and messages written in ${((performance.now() - before) / 1000).toFixed(0)} s`);
  const tenants = [small, full].map((tenant): [ScaledTenant, Meter] => [tenant, meterOf(tenant.platform.client)]);
  for (const [call, [name]] of small.calls.entries()) console.log(line(name, await measure(tenants, call)));
  await Promise.all([small, full].map(({ platform }) => platform.stop()));
}
