import { parseArgs } from "node:util";
import { hunt, type Hunted, type Seeds } from "../test/simulation/mutants/hunt.ts";
import { mutants } from "../test/simulation/mutants/list.ts";
import type { Mutant } from "../test/simulation/mutants/mutant.ts";
import { bundleSimulator, simulate } from "../test/simulation/run/processes.ts";
import { inParallel } from "../shared/in-parallel.ts";

const usage = `usage: npm run mutants -- [--schedules N] [--seed S] [--processes P] [--only id,id] [--singles]
Puts each deliberate bug of test/simulation/mutants into the simulator, and plays N schedules or until it is caught.`;

/** Of the bugs that a schedule can show at all. */
const wantedShare = 0.95;

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "12000" },
    seed: { type: "string", default: "1" },
    processes: { type: "string", default: "2" },
    only: { type: "string" },
    singles: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function show({ mutant, caught, by, schedules, seconds }: Hunted): void {
  const fate = caught ? "caught" : mutant.expect === "caught" ? "SURVIVED" : "survived";
  const after = `${schedules} in ${seconds.toFixed(0)} s`;
  const why = caught ? by.slice(0, 110) : mutant.expect === "caught" ? mutant.why : mutant.expect;
  console.log(`${fate.padEnd(8)}  ${mutant.id.padEnd(34)} ${after.padStart(14)}  ${why}`);
}

/** Caught although it was called harmless: the list is wrong, and says less than is true. */
const isMisjudged = ({ mutant, caught }: Hunted) => caught && mutant.expect !== "caught";

function summary(hunted: Hunted[], seconds: number): boolean {
  const { length } = hunted;
  const caught = hunted.filter((one) => one.caught).length;
  const harmful = hunted.filter(({ mutant }) => mutant.expect === "caught");
  const found = harmful.filter((one) => one.caught).length;
  console.log(`\n${length} mutants, ${caught} caught; ${length - harmful.length} are called harmless`);
  console.log(`${found} of ${harmful.length} harmful ones caught, in ${Math.round(seconds)} s`);
  for (const { mutant } of hunted.filter(isMisjudged)) console.log(`called harmless, and caught: ${mutant.id}`);
  return found >= harmful.length * wantedShare;
}

function wanted(): readonly Mutant[] {
  const ids = values.only?.split(",");
  return ids ? mutants.filter(({ id }) => ids.includes(id)) : mutants;
}

/** What fails without a bug of ours proves nothing. */
async function soundSeeds(from: number, schedules: number, processes: number): Promise<Seeds> {
  await bundleSimulator();
  const { failures } = await simulate({ schedules, from, processes, seconds: 86_400 });
  const skip = failures.map(({ seed }) => seed);
  if (skip.length > 0)
    console.log(`${skip.length} schedules fail without any mutant, and are left out: ${skip.join()}`);
  return { from, schedules, skip, singles: values.singles };
}

async function main(): Promise<boolean> {
  if (values.help) {
    console.log(usage);
    return true;
  }
  const startedMs = performance.now();
  const processes = Number(values.processes);
  const seeds = await soundSeeds(Number(values.seed), Number(values.schedules), processes);
  const hunted = await inParallel(wanted(), processes, async (mutant) => {
    const one = await hunt(mutant, seeds);
    show(one);
    return one;
  });
  return summary(hunted, (performance.now() - startedMs) / 1000) && seeds.skip.length === 0;
}

process.exitCode = (await main()) ? 0 : 1;
