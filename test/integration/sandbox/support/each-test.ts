import { FakePlatform } from "./fake-platform.ts";
import { GitHost } from "./git-host.ts";
import { SandboxTask } from "./sandbox-task.ts";

type Users = ConstructorParameters<typeof SandboxTask>[0];

const tasks: SandboxTask[] = [];
const platforms: FakePlatform[] = [];

/** Ended with the test, as is a task that takes its place. */
export function newTask(users: Users = null): SandboxTask {
  const task = new SandboxTask(users);
  tasks.push(task);
  return task;
}

export async function startPlatform(): Promise<FakePlatform> {
  const platform = new FakePlatform();
  platforms.push(platform);
  await platform.start();
  return platform;
}

/** Gives each test of a file a platform of its own and a task that has not started. */
export function eachTestHas(give: (platform: FakePlatform, task: SandboxTask) => void): void {
  beforeEach(async () => give(await startPlatform(), newTask()));
  afterEach(async () => {
    for (const task of tasks.splice(0)) await task.stop();
    for (const platform of platforms.splice(0)) platform.stop();
  });
}

/** A git host that serves for a whole file. */
export function gitHost(): GitHost {
  const host = new GitHost();
  beforeAll(() => host.start());
  afterAll(() => host.stop());
  return host;
}
