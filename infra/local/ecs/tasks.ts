import { createHash } from "node:crypto";
import type { Clock } from "../../../shared/ports/clock.ts";
import type { Ids } from "../../../shared/ports/ids.ts";
import { loopbackAddresses } from "./addresses.ts";
import { EcsFailure, type RunTaskRequest } from "./requests.ts";
import { Task, type TaskHost } from "./task.ts";
import type { TaskDefinition } from "./task-definition.ts";
import { type ContainerState, ecsArn, stateChangeEvent, type StateChangeEvent, type TaskState } from "./task-state.ts";

export interface TasksOptions {
  clusters: { name: string; arn: string }[];
  taskDefinitions: TaskDefinition[];
  host: TaskHost;
  emit: (event: StateChangeEvent) => void;
  clock: Pick<Clock, "now">;
  ids: Ids;
  maxTasks: number;
  capacity?: () => string | null;
}

/** A stopped task can be described for an hour, as on ECS; a client token is remembered for a day. */
const stoppedForMs = 3_600_000;
const tokenForMs = 86_400_000;

interface Launch {
  fingerprint: string;
  taskArns: string[];
  at: number;
}

/** All tasks of all clusters. */
export class Tasks {
  readonly #options: TasksOptions;
  readonly #tasks = new Map<string, Task>();
  /** By client token. */
  readonly #launches = new Map<string, Launch>();
  readonly #addresses: ReturnType<typeof loopbackAddresses>;
  #isStopping = false;

  constructor(options: TasksOptions) {
    this.#options = options;
    this.#addresses = loopbackAddresses(() => options.ids.random());
  }

  states(): TaskState[] {
    return [...this.#tasks.values()].map((task) => task.state);
  }

  clusterArn(nameOrArn: string): string {
    const found = this.#options.clusters.find(({ name, arn }) => name === nameOrArn || arn === nameOrArn);
    if (found === undefined) throw new EcsFailure("ClusterNotFoundException", "Cluster not found.");
    return found.arn;
  }

  definitionOf(name: string): TaskDefinition {
    const names = ({ arn, family }: TaskDefinition) => [arn, family, `${family}:1`];
    const found = this.#options.taskDefinitions.find((definition) => names(definition).includes(name));
    if (found === undefined) throw new EcsFailure("ClientException", "TaskDefinition not found.");
    return found;
  }

  find(cluster: string, idOrArn: string): Task | undefined {
    const arn = this.clusterArn(cluster);
    const matches = (state: TaskState) => state.clusterArn === arn && (state.arn === idOrArn || state.id === idOrArn);
    return [...this.#tasks.values()].find(({ state }) => matches(state));
  }

  /** The same token and parameters answer with the same tasks; the tasks start in the background. */
  run(request: RunTaskRequest): TaskState[] {
    this.#forget();
    const cluster = this.clusterArn(request.cluster);
    const definition = this.definitionOf(request.taskDefinition);
    checkOverrides(request, definition);
    checkSize(request);
    const { clientToken } = request;
    const fingerprint = createHash("sha256").update(JSON.stringify(request)).digest("hex");
    const earlier = clientToken === undefined ? undefined : this.#launches.get(clientToken);
    if (earlier !== undefined) return this.#replay(earlier, fingerprint);
    this.#checkCapacity(request.count);
    const started = Array.from({ length: request.count }, () => this.#create(request, definition, cluster));
    const taskArns = started.map(({ state }) => state.arn);
    if (clientToken !== undefined) this.#launches.set(clientToken, { fingerprint, taskArns, at: this.#now() });
    for (const task of started) void task.start();
    return started.map(({ state }) => state);
  }

  /** Told by a task's host after each change. */
  announce(state: TaskState): void {
    if (state.status === "STOPPED") this.#addresses.release(state.address);
    this.#options.emit(structuredClone(stateChangeEvent(state, this.#options.ids.uuid(), this.#now())));
  }

  /** Those that run, to be ended at once by whoever has a reason. */
  endable(): { id: string; stop(reason: string): void }[] {
    return this.#running().map((task) => ({
      id: task.state.id,
      stop: (reason) => void task.stop("EssentialContainerExited", reason, false),
    }));
  }

  async stopAll(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#running().map((task) => task.stop("UserInitiated", "The platform is stopping", false)));
  }

  #now(): number {
    return this.#options.clock.now();
  }

  #running(): Task[] {
    return [...this.#tasks.values()].filter(({ state }) => state.status !== "STOPPED");
  }

  #replay(earlier: Launch, fingerprint: string): TaskState[] {
    if (earlier.fingerprint !== fingerprint) {
      const message = "The clientToken was used with other parameters.";
      throw new EcsFailure("ConflictException", message, { resourceIds: earlier.taskArns });
    }
    return earlier.taskArns.flatMap((arn) => this.#tasks.get(arn)?.state ?? []);
  }

  #checkCapacity(count: number): void {
    const { capacity, maxTasks } = this.#options;
    const refusal = this.#isStopping ? "Capacity is unavailable at this time. Please try again later" : capacity?.();
    if (refusal != null) throw new EcsFailure("ClientException", refusal);
    if (this.#running().length + count <= maxTasks) return;
    throw new EcsFailure("ClientException", "You've reached the limit on the number of tasks you can run concurrently");
  }

  #forget(): void {
    for (const [arn, { state }] of this.#tasks) {
      if (state.stoppedAt !== null && this.#now() - state.stoppedAt > stoppedForMs) this.#tasks.delete(arn);
    }
    for (const [token, { at }] of this.#launches) if (this.#now() - at > tokenForMs) this.#launches.delete(token);
  }

  #create(request: RunTaskRequest, definition: TaskDefinition, cluster: string): Task {
    const { ids, host } = this.#options;
    const id = hex(ids.uuid());
    const clusterName = cluster.slice(cluster.indexOf("/") + 1);
    const state: TaskState = {
      id,
      arn: ecsArn(`task/${clusterName}/${id}`),
      clusterArn: cluster,
      definitionArn: definition.arn,
      definition,
      overrides: overridesOf(request),
      memory: memoryOf(request, definition),
      startedBy: request.startedBy ?? null,
      group: request.group ?? null,
      address: this.#addresses.take(),
      subnet: request.networkConfiguration?.awsvpcConfiguration.subnets[0] ?? "",
      status: "PROVISIONING",
      desired: "RUNNING",
      version: 0,
      stopCode: null,
      stoppedReason: null,
      containers: definition.containers.map(({ name }) => newContainer(name, `${clusterName}/${id}`, hex(ids.uuid()))),
      createdAt: this.#now(),
      startedAt: null,
      stoppingAt: null,
      stoppedAt: null,
    };
    const task = new Task(state, host);
    this.#tasks.set(state.arn, task);
    return task;
  }
}

const newContainer = (name: string, taskPath: string, id: string): ContainerState => ({
  name,
  arn: ecsArn(`container/${taskPath}/${id}`),
  runtimeId: `${taskPath.slice(taskPath.lastIndexOf("/") + 1)}-${id.slice(0, 10)}`,
  status: "PENDING",
  exitCode: null,
  reason: null,
  restarts: 0,
});

const hex = (uuid: string) => uuid.replaceAll("-", "");

const overridesOf = ({ overrides }: RunTaskRequest) =>
  new Map(
    overrides.containerOverrides.map(({ name, environment }) => [
      name,
      Object.fromEntries(environment.map((variable) => [variable.name, variable.value])),
    ]),
  );

/** A container without a limit of its own has the task's. */
function memoryOf({ overrides }: RunTaskRequest, definition: TaskDefinition): Map<string, number> {
  const own = overrides.containerOverrides.flatMap(({ name, memory }) =>
    memory === undefined ? [] : [[name, memory]],
  );
  const ofTask = Number(overrides.memory ?? 0);
  const others = definition.containers.filter(({ hasOwnMemory }) => ofTask > 0 && !hasOwnMemory);
  return new Map([...others.map(({ name }) => [name, ofTask] as const), ...(own as [string, number][])]);
}

/** https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html: by CPU, from, to and step in MiB. */
const fargateSizes: Record<string, [number, number, number]> = {
  256: [512, 2_048, 512],
  512: [1_024, 4_096, 1_024],
  1024: [2_048, 8_192, 1_024],
  2048: [4_096, 16_384, 1_024],
  4096: [8_192, 30_720, 1_024],
  8192: [16_384, 61_440, 4_096],
  16384: [32_768, 122_880, 8_192],
};

function checkSize({ overrides }: RunTaskRequest): void {
  const { cpu, memory, containerOverrides } = overrides;
  if (cpu === undefined && memory === undefined) return;
  const [from, to, step] = fargateSizes[cpu ?? ""] ?? [1, 0, 1];
  const wanted = Number(memory);
  if (!(wanted >= from && wanted <= to && wanted % step === 0))
    throw new EcsFailure("ClientException", "No Fargate configuration exists for given values.");
  if (containerOverrides.some((container) => (container.memory ?? 0) > wanted))
    throw new EcsFailure("ClientException", "Invalid setting for container: memory exceeds that of the task.");
}

function checkOverrides({ overrides }: RunTaskRequest, definition: TaskDefinition): void {
  const names = new Set(definition.containers.map((container) => container.name));
  const unknown = overrides.containerOverrides.find(({ name }) => !names.has(name));
  if (unknown === undefined) return;
  throw new EcsFailure(
    "InvalidParameterException",
    `Override for container named ${unknown.name} is not a container in the TaskDefinition.`,
  );
}
