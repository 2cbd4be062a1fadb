import { chmod, chown, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ContainerSpec, Mount } from "./bubblewrap.ts";
import { type Bubblewrap, type ContainerRun, runIsolated, runUnisolated } from "./container.ts";
import type { Fence, Limits } from "./limits.ts";
import {
  homeDirectory,
  identityOf,
  type Identity,
  type RootFilesystem,
  sandboxGroup,
  searchPath,
  temporaryDirectory,
} from "./root-filesystem.ts";
import type { TaskHost } from "./task.ts";
import type { ContainerDefinition } from "./task-definition.ts";
import type { ContainerState, TaskState } from "./task-state.ts";

export interface LogLine {
  taskId: string;
  container: string;
  stream: "stdout" | "stderr";
  line: string;
}

export interface HostOptions {
  /** Holds one folder a task, removed with it. */
  tasksDirectory: string;
  root: RootFilesystem;
  /** Null: unisolated. */
  bubblewrap: Bubblewrap | null;
  limits: Limits;
  pidsPerContainer: number;
  metadataUrl(containerId: string): string;
  log(line: LogLine): void;
  changed(task: TaskState): void;
  now(): number;
}

/** Variables whose value is a folder of the container's own, as its writable layer would give it. */
const privateFolders = ["STATE_DIR"];

/** On disk, as a writable layer is: in memory files a build would eat its own memory limit. */
const writableFolders = [
  { name: "home", to: homeDirectory, mode: 0o700 },
  { name: "tmp", to: temporaryDirectory, mode: 0o1777 },
];

/** Where a container reads its own limits. A kernel's own place for them would show more of this machine. */
const limitsDirectory = "/run/limits";

const shownLimits = ({ shown }: Fence): Mount[] =>
  shown.map(({ from, name }) => ({ from, to: `${limitsDirectory}/${name}`, readOnly: true }));

/** A task's folders and containers on this machine. */
export class LocalTaskHost implements TaskHost {
  readonly #options: HostOptions;
  readonly #fences = new Map<string, Fence>();

  constructor(options: HostOptions) {
    this.#options = options;
  }

  async prepare(task: TaskState): Promise<void> {
    // Both users work in a volume: the group is theirs and stays with what is made in it.
    const owner = { uid: sandboxGroup, gid: sandboxGroup };
    const { volumes } = task.definition;
    await Promise.all(volumes.map((volume) => this.#own(this.#volume(task, volume), owner, 0o2775)));
  }

  async run(task: TaskState, container: ContainerDefinition, state: ContainerState): Promise<ContainerRun> {
    const memoryMiB = task.memory.get(container.name) ?? container.memoryMiB;
    const memoryBytes = memoryMiB === null ? null : memoryMiB * 1024 * 1024;
    const bounds = { memoryBytes, pids: this.#options.pidsPerContainer };
    const fence = await this.#options.limits.fence(`${task.id}-${container.name}`, bounds);
    try {
      const spec = await this.#spec(task, container, state, fence);
      this.#fences.set(state.arn, fence);
      return this.#start(spec, task, container);
    } catch (error) {
      await fence.close();
      throw error;
    }
  }

  async settle(state: ContainerState): Promise<{ outOfMemory: boolean }> {
    const fence = this.#fences.get(state.arn);
    this.#fences.delete(state.arn);
    if (fence === undefined) return { outOfMemory: false };
    const outOfMemory = (await fence.outOfMemoryKills()) > 0;
    await fence.close();
    return { outOfMemory };
  }

  async remove(task: TaskState): Promise<void> {
    // A program may have left folders that even their owner cannot enter.
    await rm(this.#folder(task), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
  }

  changed(task: TaskState): void {
    this.#options.changed(task);
  }

  now(): number {
    return this.#options.now();
  }

  #start(spec: ContainerSpec, task: TaskState, container: ContainerDefinition): ContainerRun {
    const { bubblewrap, log } = this.#options;
    const onLine = (line: string, stream: LogLine["stream"]) =>
      log({ taskId: task.id, container: container.name, stream, line });
    if (bubblewrap !== null) return runIsolated(spec, bubblewrap, onLine);
    const app = { from: container.appDirectory, to: "/app", readOnly: true };
    return runUnisolated({ ...spec, mounts: [...spec.mounts, app] }, onLine);
  }

  async #spec(task: TaskState, container: ContainerDefinition, state: ContainerState, fence: Fence) {
    const { bubblewrap, root, metadataUrl } = this.#options;
    const hasNetwork = container.dockerLabels["sandbox.network"] !== "isolated";
    const environment: Record<string, string> = {
      PATH: searchPath,
      HOME: homeDirectory,
      LANG: "C.UTF-8",
      ...(hasNetwork ? { ECS_CONTAINER_METADATA_URI_V4: metadataUrl(state.runtimeId) } : {}),
      ...container.environment,
      ...task.overrides.get(container.name),
    };
    const spec: ContainerSpec = {
      rootArguments: bubblewrap === null ? [] : root({ appDirectory: container.appDirectory, hasNetwork }),
      mounts: [...(await this.#mounts(task, container, environment)), ...shownLimits(fence)],
      environment,
      command: container.command,
      identity: identityOf(container.user),
      hasNetwork,
      workingDirectory: container.mountPoints[0]?.path ?? "/",
      limitCommand: fence.command,
      joinFiles: fence.joinFiles,
    };
    return spec;
  }

  async #mounts(task: TaskState, container: ContainerDefinition, environment: Record<string, string>) {
    const identity = identityOf(container.user);
    const mounts: Mount[] = container.mountPoints.map(({ volume, path, readOnly }) => {
      return { from: this.#volume(task, volume), to: path, readOnly };
    });
    const ownFolders = [...writableFolders];
    for (const name of privateFolders) {
      const to = environment[name];
      if (to !== undefined) ownFolders.push({ name: name.toLowerCase(), to, mode: 0o700 });
    }
    const made = ownFolders
      .filter(({ to }) => !mounts.some((mount) => mount.to === to))
      .map(({ name, to, mode }) => ({ from: join(this.#folder(task), container.name, name), to, mode }));
    await Promise.all(made.map(({ from, mode }) => this.#own(from, identity, mode)));
    return [...mounts, ...made.map(({ from, to }) => ({ from, to, readOnly: false }))];
  }

  #folder(task: TaskState): string {
    return join(this.#options.tasksDirectory, task.id);
  }

  #volume(task: TaskState, volume: string): string {
    return join(this.#folder(task), "volumes", volume);
  }

  /** Only root can give a folder away; a user's containers are all the user. */
  async #own(path: string, { uid, gid }: Identity, mode: number): Promise<void> {
    await mkdir(path, { recursive: true });
    if (this.#options.bubblewrap?.privileged) await chown(path, uid, gid);
    await chmod(path, mode);
  }
}
