import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { recordGolden } from "./recording.ts";
import { scenarios } from "./scenarios.ts";

/** `tsx test/golden/record.ts v0.2`: a folder for a new release. What is recorded is never recorded again. */
async function main([release]: string[]): Promise<void> {
  if (!release || !/^v\d+\.\d+$/.test(release)) throw new Error("usage: tsx test/golden/record.ts v<major>.<minor>");
  const folder = join(import.meta.dirname, release);
  mkdirSync(folder, { recursive: true });
  for (const scenario of scenarios) {
    const file = join(folder, `${scenario.name}.json`);
    if (existsSync(file)) {
      console.log(`${release}/${scenario.name}: is recorded`);
      continue;
    }
    writeFileSync(file, `${JSON.stringify(await recordGolden(release, scenario), null, 1)}\n`);
    console.log(`${release}/${scenario.name}: ${scenario.state}`);
  }
}

await main(process.argv.slice(2));
