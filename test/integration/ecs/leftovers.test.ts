import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endLeftovers } from "../../../infra/local/ecs/leftovers.ts";
import { eventually } from "../local-host/assembly.ts";

const root = mkdtempSync(join(tmpdir(), "leftovers-"));
const pids: number[] = [];
afterAll(() => {
  for (const pid of pids) if (existsSync(`/proc/${pid}`)) process.kill(pid, "SIGKILL");
  rmSync(root, { recursive: true, force: true });
});

/** A container of that platform which is bound to nobody. */
async function left(tasksDirectory: string): Promise<number> {
  const volume = join(tasksDirectory, randomUUID().replaceAll("-", ""), "volumes/workspace");
  mkdirSync(volume, { recursive: true });
  const user = process.getuid?.() === 0 ? [] : ["--unshare-user"];
  const options = [...user, "--unshare-pid", "--dev-bind", "/", "/", "--bind", volume, "/mnt"];
  const { pid = 0 } = spawn("bwrap", [...options, "--", "sleep", "60"], { stdio: "ignore", detached: true });
  const children = () => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  const inner = await eventually(() => {
    const child = children();
    return child !== "" && readFileSync(`/proc/${child}/mountinfo`, "utf8").includes(`${volume} /mnt`) ? child : null;
  });
  pids.push(Number(inner));
  return Number(inner);
}

const runs = (pid: number) => existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(statusOf(pid));

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "State:\tZ";
  }
}

test("a sandbox that outlived its platform ends before the next one starts; another platform's lives on", async () => {
  const own = join(root, "own/tasks");
  const [mine, others] = [await left(own), await left(join(root, "other/tasks"))];
  await endLeftovers(own);
  await eventually(() => !runs(mine));
  expect(existsSync(own)).toBe(false);
  expect(runs(others)).toBe(true);
  await endLeftovers(own);
  expect(runs(others)).toBe(true);
});
