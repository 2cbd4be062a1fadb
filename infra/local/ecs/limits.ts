import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { access, mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface Bounds {
  memoryBytes: number | null;
  pids: number;
}

/** The limits of one run of one container. */
export interface Fence {
  /** A process joins by writing its pid here, before it becomes the container. */
  joinFiles: string[];
  /** Goes in front of the container's command. */
  command: string[];
  outOfMemoryKills(): Promise<number>;
  /** What the container may read of its own limits: a file of this machine, and its name inside. */
  shown: { from: string; name: string }[];
  close(): Promise<void>;
}

export interface Limits {
  description: string;
  fence(name: string, bounds: Bounds): Promise<Fence>;
}

const namePrefix = "ai-sandbox";
const mountPoint = "/sys/fs/cgroup";

/** cgroups where this process may write them, else limits per process. `root`: where cgroups are mounted. */
export async function detectLimits(root: string = mountPoint): Promise<Limits> {
  for (const flavour of [unified(root), separate(root)]) {
    if (!(await isUsable(flavour))) continue;
    await removeStale(flavour);
    return { description: flavour.description, fence: (name, bounds) => openGroup(flavour, name, bounds) };
  }
  return perProcess;
}

interface Flavour {
  description: string;
  /** The groups' parents: one a controller, or one for all. */
  parents: string[];
  prepare(): Promise<void>;
  settings(bounds: Bounds): { parent: string; file: string; value: string; optional?: boolean }[];
  /** The file, in the first parent's group, with a line `oom_kill N`. */
  killsFile: string;
  /** Limits and events, by the names that cgroup v2 has for them; the parent by its place. */
  shown: { parent: number; file: string; name: string }[];
}

function unified(root: string): Flavour {
  return {
    description: "memory and process limits by cgroup v2",
    parents: [root],
    prepare: async () => {
      const controllers = await readFile(join(root, "cgroup.controllers"), "utf8");
      if (!/\bmemory\b/.test(controllers) || !/\bpids\b/.test(controllers)) throw new Error("no controllers");
      await writeFile(join(root, "cgroup.subtree_control"), "+memory +pids");
    },
    settings: ({ memoryBytes, pids }) => [
      { parent: root, file: "pids.max", value: String(pids) },
      ...(memoryBytes === null
        ? []
        : [
            { parent: root, file: "memory.max", value: String(memoryBytes) },
            { parent: root, file: "memory.swap.max", value: "0", optional: true },
          ]),
    ],
    killsFile: "memory.events",
    shown: ["memory.events", "memory.max", "pids.events", "pids.max"].map((name) => ({ parent: 0, file: name, name })),
  };
}

function separate(root: string): Flavour {
  const [memory, pidsParent] = [join(root, "memory"), join(root, "pids")];
  return {
    description: "memory and process limits by cgroup v1",
    parents: [memory, pidsParent],
    prepare: async () => {
      await access(join(memory, "memory.limit_in_bytes"));
      await access(join(pidsParent, "cgroup.procs"));
    },
    settings: ({ memoryBytes, pids }) => [
      { parent: pidsParent, file: "pids.max", value: String(pids) },
      ...(memoryBytes === null
        ? []
        : [
            { parent: memory, file: "memory.limit_in_bytes", value: String(memoryBytes) },
            { parent: memory, file: "memory.memsw.limit_in_bytes", value: String(memoryBytes), optional: true },
          ]),
    ],
    killsFile: "memory.oom_control",
    shown: [
      { parent: 0, file: "memory.oom_control", name: "memory.events" },
      { parent: 0, file: "memory.limit_in_bytes", name: "memory.max" },
      { parent: 1, file: "pids.events", name: "pids.events" },
      { parent: 1, file: "pids.max", name: "pids.max" },
    ],
  };
}

async function isUsable(flavour: Flavour): Promise<boolean> {
  try {
    await flavour.prepare();
    const probe = await openGroup(flavour, `probe-${randomUUID()}`, { memoryBytes: 64 * 1024 * 1024, pids: 8 });
    await probe.close();
    return true;
  } catch {
    return false;
  }
}

async function openGroup(flavour: Flavour, name: string, bounds: Bounds): Promise<Fence> {
  const group = `${namePrefix}-${process.pid}-${name}`;
  const directories = flavour.parents.map((parent) => join(parent, group));
  for (const directory of directories) await mkdir(directory, { recursive: true });
  for (const { parent, file, value, optional } of flavour.settings(bounds)) {
    const written = writeFile(join(parent, group, file), value, { flag: "r+" });
    await (optional ? written.catch(() => undefined) : written);
  }
  const killsFile = join(directories[0] ?? "", flavour.killsFile);
  return {
    joinFiles: directories.map((directory) => join(directory, "cgroup.procs")),
    command: [],
    outOfMemoryKills: async () => {
      const text = await readFile(killsFile, "utf8").catch(() => "");
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
    },
    shown: flavour.shown
      .map(({ parent, file, name }) => ({ from: join(directories[parent] ?? "", file), name }))
      .filter(({ from }) => existsSync(from)),
    close: async () => {
      await Promise.all(directories.map(removeGroup));
    },
  };
}

/** A group stays busy for a moment after its last process was reaped. */
async function removeGroup(directory: string): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const failure = await rmdir(directory).then(
      () => null,
      (error: NodeJS.ErrnoException) => error,
    );
    if (failure === null || failure.code === "ENOENT") return;
    await sleep(10);
  }
}

/** Groups of runs that were killed before they could tidy up. */
async function removeStale(flavour: Flavour): Promise<void> {
  for (const parent of flavour.parents) {
    for (const entry of await readdir(parent)) {
      const owner = Number(new RegExp(`^${namePrefix}-(\\d+)-`).exec(entry)?.[1] ?? 0);
      if (owner === 0 || isAlive(owner)) continue;
      await removeGroup(join(parent, entry));
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** What V8 reserves and never fills, counted as data: measured with Node 24, which starts at 600 MiB and not at 500. */
const reservedBytes = 640 * 1024 * 1024;

/** RLIMIT_DATA and not RLIMIT_AS, of which V8 takes far more still. */
const perProcess: Limits = {
  description: "cgroups are not writable: memory is limited per process, processes per user (prlimit)",
  fence: async (_name, { memoryBytes, pids }) => ({
    joinFiles: [],
    command: [
      "prlimit",
      `--nproc=${pids}`,
      ...(memoryBytes === null ? [] : [`--data=${memoryBytes + reservedBytes}`]),
      "--",
    ],
    outOfMemoryKills: async () => 0,
    shown: [],
    close: async () => undefined,
  }),
};
