import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerSpec } from "../../../infra/local/ecs/bubblewrap.ts";
import { type ContainerRun, runIsolated } from "../../../infra/local/ecs/container.ts";
import { findPrograms } from "../../../infra/local/ecs/programs.ts";
import { composedRoot, identityOf } from "../../../infra/local/ecs/root-filesystem.ts";
import { killSandboxes } from "../../../infra/local/sandbox-processes.ts";

const directory = mkdtempSync(join(tmpdir(), "launcher-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const privileged = process.getuid?.() === 0;

async function sleeper(): Promise<ContainerSpec> {
  const root = await composedRoot(
    join(directory, "etc"),
    findPrograms(join(import.meta.dirname, "../../../node_modules")),
  );
  return {
    rootArguments: root({ appDirectory: directory, hasNetwork: false }),
    mounts: [],
    environment: { PATH: "/usr/bin:/bin" },
    command: ["sleep", "60"],
    identity: identityOf("1000"),
    hasNetwork: false,
    workingDirectory: "/",
    limitCommand: [],
    joinFiles: [],
  };
}

async function killLauncher(): Promise<void> {
  for (let tries = 0; tries < 5_000 && killSandboxes() === 0; tries++) await sleep(0);
}

async function endsWithin(run: ContainerRun, timeoutMs: number): Promise<boolean> {
  const hasEnded = await Promise.race([run.ended.then(() => true), sleep(timeoutMs, false)]);
  if (!hasEnded) run.kill();
  return hasEnded;
}

/** bubblewrap binds what it starts to itself only after it has told its pid, so it can die in between. */
test("a container ends with the program that launches it, however early that is killed", async () => {
  const spec = await sleeper();
  const survivors: number[] = [];
  for (let round = 0; round < 40; round++) {
    const run = runIsolated(spec, { privileged, filter: null }, () => undefined);
    if (round % 2 === 0) await run.started;
    await killLauncher();
    if (!(await endsWithin(run, 2_000))) survivors.push(round);
  }
  expect(survivors).toEqual([]);
});
