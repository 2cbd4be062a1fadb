import { execFile } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { opencode } from "./peers/opencode.ts";
import { peersDir } from "./peers/install.ts";

const run = promisify(execFile);
const limitMs = 60_000;

export interface OpencodeSnapshots {
  /** Milliseconds of one snapshot: its own command, less the same program's start (a command that only prints). */
  track: () => Promise<number>;
}

/** Null, loudly, where the bench of the peers has not installed it. */
export function openOpencode(directory: string, workspace: string): OpencodeSnapshots | null {
  const version = opencode.packages[0]?.split("@").at(-1) ?? "";
  const modules = join(peersDir(process.env), `${opencode.name}-${version}`, "node_modules");
  const binary = ["", "-baseline"]
    .map((kind) => join(modules, `opencode-${process.platform}-${process.arch}${kind}/bin/opencode`))
    .find(existsSync);
  if (!binary) {
    console.error(`\n!!! SKIPPED opencode: not installed (npm run bench -- peers opencode does)\n`);
    return null;
  }
  const home = mkdtempSync(join(directory, "opencode-"));
  const env = {
    PATH: process.env["PATH"],
    HOME: home,
    OPENCODE_DISABLE_AUTOUPDATE: "1",
    OPENCODE_DISABLE_MODELS_FETCH: "1",
    OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
  };
  const timed = async (...args: string[]): Promise<number> => {
    const before = performance.now();
    await run(binary, args, { cwd: workspace, env, timeout: limitMs });
    return performance.now() - before;
  };
  return {
    async track() {
      const start = await timed("debug", "paths");
      return Math.max(1, (await timed("debug", "snapshot", "track")) - start);
    },
  };
}
