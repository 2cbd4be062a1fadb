import { readdir, readFile, rm } from "node:fs/promises";

/** Of the processes that have a volume of these tasks among their mounts, also where its folder is gone. */
async function holdersOf(taskIds: string[]): Promise<number[]> {
  const volumes = taskIds.map((id) => `/tasks/${id}/volumes/`);
  const names = await readdir("/proc").catch(() => []);
  const found = names.map(async (name) => {
    if (!/^\d+$/.test(name) || name === String(process.pid)) return [];
    const mounts = await readFile(`/proc/${name}/mountinfo`, "utf8").catch(() => "");
    return volumes.some((volume) => mounts.includes(volume)) ? [Number(name)] : [];
  });
  return (await Promise.all(found)).flat();
}

async function end(taskIds: string[]): Promise<void> {
  if (taskIds.length === 0) return;
  for (const pid of await holdersOf(taskIds)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It went by itself, or with one that was killed before it.
    }
  }
}

/**
 * Removes what an earlier platform left of its tasks. Their processes ended with it, but for those that it had made just
 * before somebody killed it: they were not yet bound to it. Such a sandbox would come back by its token and work on files
 * that are gone.
 */
export async function endLeftovers(tasksDirectory: string): Promise<void> {
  const taskIds = await readdir(tasksDirectory).catch(() => []);
  await end(taskIds);
  await rm(tasksDirectory, { recursive: true, force: true, maxRetries: 3 });
  // One that has no volumes yet finds none and ends. One that got them meanwhile does not.
  await end(taskIds);
}
