import { spawnSync } from "node:child_process";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { AwsService, Running } from "../contract.ts";
import type { Clock } from "../../../shared/ports/clock.ts";
import type { Ids } from "../../../shared/ports/ids.ts";
import { ecsApi } from "./api.ts";
import { endLeftovers } from "./leftovers.ts";
import { Disk } from "./disk.ts";
import { detectLimits, type Limits } from "./limits.ts";
import { startMetadata } from "./metadata.ts";
import type { Programs } from "./programs.ts";
import { composedRoot, imageRoot, type RootFilesystem } from "./root-filesystem.ts";
import { seccompProgram } from "./seccomp.ts";
import type { TaskDefinition } from "./task-definition.ts";
import { LocalTaskHost, type LogLine } from "./task-host.ts";
import type { StateChangeEvent } from "./task-state.ts";
import { Tasks } from "./tasks.ts";

export interface EcsOptions {
  clusters: { name: string; arn: string }[];
  taskDefinitions: TaskDefinition[];
  /** The tasks' folders are made below it; nobody else may enter it. */
  rootDirectory: string;
  /** An unpacked image; without it the root is composed of this machine's /usr and `programs`. */
  rootFilesystem?: string;
  programs: Programs;
  /** To EventBridge. */
  emit: (event: StateChangeEvent) => void;
  clock: Pick<Clock, "now">;
  ids: Ids;
  /** `none`: tools run as this machine's user, with all its files. Only for a machine that is itself disposable. */
  isolation?: "bubblewrap" | "none";
  log?: (line: LogLine) => void;
  /** Default 1024 processes and threads. */
  pidsPerContainer?: number;
  /** Default 50, over which RunTask answers as Fargate does at its quota. */
  maxTasks?: number;
  /** A message fails RunTask with it: how tests run out of capacity. */
  capacity?: () => string | null;
  /** Bytes that are free for the tasks. Default: found on this machine. */
  freeDisk?: () => number;
  /** Default: found on this machine. */
  limits?: Limits;
}

export interface Ecs extends Running {
  service: AwsService;
  /** How containers are kept apart and limited on this machine, one sentence each. */
  description: string[];
}

/** The ECS API on one machine: tasks are processes that end with this one. Throws where it cannot isolate them. */
export async function createEcs(options: EcsOptions): Promise<Ecs> {
  const isolated = (options.isolation ?? "bubblewrap") === "bubblewrap";
  const bubblewrap = isolated ? probeBubblewrap() : null;
  const limits = isolated ? (options.limits ?? (await detectLimits())) : unlimited;
  const tasksDirectory = join(options.rootDirectory, "tasks");
  await endLeftovers(tasksDirectory);
  await mkdir(tasksDirectory, { recursive: true });
  await chmod(options.rootDirectory, 0o700);
  const metadata = await startMetadata(() => tasks.states());
  const host = new LocalTaskHost({
    tasksDirectory,
    root: isolated ? await rootOf(options) : () => [],
    bubblewrap,
    limits,
    pidsPerContainer: options.pidsPerContainer ?? 1_024,
    metadataUrl: metadata.urlOf,
    log: options.log ?? (() => undefined),
    changed: (task) => tasks.announce(task),
    now: () => options.clock.now(),
  });
  const disk = new Disk({ tasksDirectory, running: () => tasks.endable(), free: options.freeDisk });
  const capacity = () => options.capacity?.() ?? disk.refusal();
  const tasks: Tasks = new Tasks({ ...options, host, maxTasks: options.maxTasks ?? 50, capacity });
  return {
    service: ecsApi(tasks),
    description: [describeIsolation(bubblewrap), limits.description],
    stop: async () => {
      disk.close();
      await tasks.stopAll();
      await metadata.stop();
    },
  };
}

function rootOf({ rootFilesystem, rootDirectory, programs }: EcsOptions): Promise<RootFilesystem> | RootFilesystem {
  return rootFilesystem === undefined ? composedRoot(join(rootDirectory, "etc"), programs) : imageRoot(rootFilesystem);
}

/** As a container would be started, so that a machine which forbids namespaces is told so at once. */
function probeBubblewrap() {
  const privileged = process.getuid?.() === 0;
  const user = privileged ? [] : ["--unshare-user"];
  const options = [...user, "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "--", "true"];
  const { error, status, stderr } = spawnSync("bwrap", options, { encoding: "utf8" });
  if (error !== undefined)
    throw new Error("bubblewrap is not installed: run `node --import tsx scripts/setup.ts`, or install it yourself");
  if (status !== 0) throw new Error(`bubblewrap cannot make namespaces on this machine: ${stderr.trim()}`);
  return { privileged, filter: seccompProgram(process.arch) };
}

function describeIsolation(bubblewrap: ReturnType<typeof probeBubblewrap> | null): string {
  if (bubblewrap === null)
    return "WARNING: no isolation. Whatever the AI runs can read and change everything that you can.";
  const users = bubblewrap.privileged
    ? "each container under its own uid"
    : "all containers under your uid, apart only by namespaces and mounts (as root they get uids of their own)";
  return `bubblewrap, ${users}`;
}

const unlimited: Limits = {
  description: "no memory or process limits",
  fence: async () => ({
    joinFiles: [],
    command: [],
    outOfMemoryKills: async () => 0,
    shown: [],
    close: async () => undefined,
  }),
};
