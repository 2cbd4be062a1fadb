import { spawn } from "node:child_process";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { shellTask, startTestEcs, stopTestEcs } from "../../support/test-ecs.ts";

afterEach(stopTestEcs);

const parentKill = "kill -9 $PPID";

it("kill -9 of the supervisor ends the whole task and is told", async () => {
  const ecs = await startTestEcs();
  const { taskArn } = await ecs.run();
  await ecs.ready(taskArn);
  const marker = `7${Math.floor(Math.random() * 1e6)}`;
  await ecs.shell(taskArn, "toolbox", `nohup sleep ${marker} >/dev/null 2>&1 & echo`);
  await ecs.shell(taskArn, "supervisor", parentKill).catch(() => undefined);
  const { detail } = await ecs.untilStatus(taskArn, "STOPPED");
  expect(detail).toMatchObject({ stopCode: "EssentialContainerExited", lastStatus: "STOPPED" });
  expect(await processesWith(marker)).toEqual([]);
});

it("a container over its memory ends with 137 and the reason that ECS gives", async () => {
  const hog = ["node", "-e", "const all = []; setInterval(() => all.push(Buffer.alloc(16 * 1024 * 1024, 1)), 5)"];
  const ecs = await startTestEcs({ taskDefinitions: [shellTask({ supervisor: { command: hog, memoryMiB: 128 } })] });
  const limited = ecs.description.some((line) => line.includes("cgroup"));
  if (!limited) return console.warn("no writable cgroup: memory is limited per process only");
  const { taskArn } = await ecs.run();
  const { detail } = await ecs.untilStatus(taskArn, "STOPPED");
  expect(detail.containers[0]).toMatchObject({
    exitCode: 137,
    reason: "OutOfMemoryError: Container killed due to memory usage",
  });
});

it("no process outlives a platform that is killed", async () => {
  const root = join(import.meta.dirname, "../../..");
  const program = join(import.meta.dirname, "../../support/sandbox-programs/platform.ts");
  const platform = spawn(process.execPath, ["--import", "tsx", program], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const told = await new Promise<string>((resolve, reject) => {
    createInterface({ input: platform.stdout }).once("line", resolve);
    platform.once("exit", () => reject(new Error("the platform ended")));
  });
  const { marker, directory } = JSON.parse(told) as { marker: string; directory: string };
  expect(await processesWith(marker)).not.toEqual([]);
  platform.kill("SIGKILL");
  // The kernel tells the children, which takes a moment that nothing here can await.
  for (let attempt = 0; attempt < 200 && (await processesWith(marker)).length > 0; attempt++) await sleep(20);
  await rm(directory, { recursive: true, force: true });
  expect(await processesWith(marker)).toEqual([]);
});

async function processesWith(text: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(text));
}
