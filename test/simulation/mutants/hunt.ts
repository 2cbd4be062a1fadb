import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import type { Plugin } from "esbuild";
import { bundleSimulator } from "../run/processes.ts";
import { applyMutant, editsOf, type Mutant } from "./mutant.ts";

const root = resolve(import.meta.dirname, "../../..");
/** One schedule takes milliseconds: who is silent for so long runs in circles. */
const silentMs = 60_000;

/** How a mutant ended. `schedules` is how many were played until then. */
export interface Hunted {
  mutant: Mutant;
  caught: boolean;
  by: string;
  schedules: number;
  seconds: number;
}

function mutation(mutant: Mutant): { plugin: Plugin; isIn(): boolean } {
  const missing = new Set(editsOf(mutant).map(({ file }) => file));
  const files = new Map([...missing].map((file) => [resolve(root, file), file]));
  const plugin: Plugin = {
    name: mutant.id,
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const file = files.get(path);
        if (file === undefined) return null;
        missing.delete(file);
        return { contents: applyMutant(readFileSync(path, "utf8"), mutant, file), loader: "ts" };
      });
    },
  };
  return { plugin, isIn: () => missing.size === 0 };
}

interface Ended {
  /** Null: it was stopped, since nothing came from it any more. */
  code: number | null;
  output: string;
}

/** Which schedules are played. */
export interface Seeds {
  from: number;
  schedules: number;
  /** They fail without any bug of ours. */
  skip: number[];
  /** Then every single fault of the golden turn. */
  singles: boolean;
}

function play(program: string, { from, schedules, skip, singles }: Seeds): Promise<Ended> {
  const options = [
    "--from",
    String(from),
    "--schedules",
    String(schedules),
    "--skip",
    skip.join(","),
    ...(singles ? ["--singles"] : []),
  ];
  const child = spawn(process.execPath, ["--max-semi-space-size=64", program, ...options], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let output = "";
  let isStopped = false;
  const stop = () => {
    isStopped = true;
    child.kill("SIGKILL");
  };
  let silence = setTimeout(stop, silentMs);
  child.stdout.on("data", (part: Buffer) => {
    output += part.toString("utf8");
    clearTimeout(silence);
    silence = setTimeout(stop, silentMs);
  });
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code) => {
      clearTimeout(silence);
      done({ code: isStopped ? null : code, output });
    });
  });
}

function verdictOn({ code, output }: Ended): { caught: boolean; by: string } {
  if (code === null) return { caught: true, by: "runs in circles" };
  if (code !== 0) return { caught: true, by: `the process ended with ${code}` };
  const found = JSON.parse(output.slice(output.indexOf("\n") + 1)) as { at: string; violations: string[] } | null;
  if (!found) return { caught: false, by: "" };
  return { caught: true, by: `${found.at}: ${found.violations[0]}` };
}

/** Plays the simulator with this bug in it, until somebody notices. */
export async function hunt(mutant: Mutant, seeds: Seeds): Promise<Hunted> {
  const startedMs = performance.now();
  const program = resolve(root, `.cache/simulation/mutant-${mutant.id}.mjs`);
  const { plugin, isIn } = mutation(mutant);
  await bundleSimulator("test/simulation/mutants/main.ts", program, [plugin]);
  if (!isIn()) throw new Error(`mutant ${mutant.id}: the simulator does not contain ${mutant.file}`);
  const ended = await play(program, seeds);
  rmSync(program, { force: true });
  const played = ended.output.split("\n")[0]?.replaceAll(" ", "").length ?? 0;
  return { mutant, ...verdictOn(ended), schedules: played, seconds: (performance.now() - startedMs) / 1000 };
}
