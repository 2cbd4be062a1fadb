import { cpSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { findPrograms } from "../infra/local/ecs/programs.ts";

/** Puts the native packages, for this machine's architecture, into an image's build context: it then needs no network. */
function main(): void {
  const context = process.argv[2];
  if (context === undefined) throw new Error("usage: vendor-sandbox.ts CONTEXT");
  const target = join(context, "vendor", "node_modules");
  rmSync(target, { recursive: true, force: true });
  const { packages } = findPrograms(resolve(import.meta.dirname, "../node_modules"));
  for (const { name, folder } of packages) cpSync(folder, join(target, name), { recursive: true });
  console.log(`vendored ${packages.map(({ name }) => name).join(", ")}`);
}

main();
