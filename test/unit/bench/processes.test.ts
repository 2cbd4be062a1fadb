import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpuMs, residentMegabytes } from "../../../scripts/bench/processes.ts";

/** Burns CPU in a child that is waited for, says so, and stays. */
const program = `
  require("node:child_process").spawnSync(process.execPath, ["-e", "const end = Date.now() + 300; while (Date.now() < end);"]);
  console.log("done");
  setInterval(() => {}, 1000);`;

const onLinux = process.platform === "linux" ? it : it.skip;

describe("the figures of a process tree", () => {
  onLinux("hold what a descendant used that has ended, and memory of what runs", async () => {
    const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      const before = cpuMs(child.pid);
      await once(child.stdout, "data");
      expect(cpuMs(child.pid) - before).toBeGreaterThan(100);
      expect(residentMegabytes(child.pid ?? 0)).toBeGreaterThan(10);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("are nothing for a process that is not there", () => {
    expect(cpuMs(2 ** 30)).toBe(0);
    expect(residentMegabytes(2 ** 30)).toBe(0);
  });
});
