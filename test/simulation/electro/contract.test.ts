import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import type { Plugin } from "esbuild";
import { bundleSimulator } from "../run/processes.ts";

const root = resolve(import.meta.dirname, "../../..");
const schedules = 50;

interface Asked {
  seed: number;
  requests: number;
  digest: string;
}

const realElectroDb: Plugin = {
  name: "real-electrodb",
  setup(build) {
    const path = resolve(root, "node_modules/electrodb/index.js");
    build.onResolve({ filter: /^electrodb$|[\\/]electro[\\/]electrodb\.ts$/ }, () => ({ path }));
  },
};

async function play(name: string, plugins: Plugin[]): Promise<Asked[]> {
  const program = resolve(root, `.cache/simulation/requests-${name}.mjs`);
  await bundleSimulator("test/simulation/electro/requests.ts", program, plugins);
  const { stdout } = await promisify(execFile)(process.execPath, [program, "--schedules", String(schedules)]);
  return JSON.parse(stdout) as Asked[];
}

describe("what stands in for ElectroDB in the simulator", () => {
  test("makes the very requests that ElectroDB makes, schedule by schedule", async () => {
    const [own, real] = await Promise.all([play("own", []), play("real", [realElectroDb])]);
    expect(own).toEqual(real);
    expect(own).toHaveLength(schedules);
    expect(Math.min(...own.map(({ requests }) => requests))).toBeGreaterThan(0);
    expect(new Set(own.map(({ digest }) => digest)).size).toBe(schedules);
  }, 60_000);
});
