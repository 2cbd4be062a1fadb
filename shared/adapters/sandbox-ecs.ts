import { createHash } from "node:crypto";
import {
  ConflictException,
  DescribeTasksCommand,
  type ECSClient,
  ECSServiceException,
  ListTasksCommand,
  RunTaskCommand,
  type RunTaskCommandInput,
  StopTaskCommand,
  type Task,
} from "@aws-sdk/client-ecs";
import type { SandboxSize } from "../config/sandbox.ts";
import type {
  LaunchOutcome,
  LaunchRequest,
  RunningSandbox,
  SandboxCapabilities,
  SandboxInventory,
  SandboxProvider,
  TaskState,
} from "../ports/sandbox-provider.ts";
import type { SizeName } from "../protocol/sandbox-config.ts";

export interface EcsSandboxOptions {
  client: ECSClient;
  cluster: string;
  taskDefinition: string;
  /** In several availability zones: one of them may be out of capacity. */
  subnets: string[];
  securityGroup: string;
  /** What the task definition's toolbox is given: the stage says. @default - `open` alone */
  capabilities?: SandboxCapabilities;
  /** Task definitions of other images, by their names. */
  imageDefinitions?: Record<string, string>;
  sizes?: Partial<Record<SizeName, SandboxSize | undefined>>;
}

/** Sandboxes as Fargate tasks. A task id is the task's ARN. */
export function ecsSandboxProvider(options: EcsSandboxOptions): SandboxProvider {
  const { client, cluster } = options;
  return {
    capabilities: options.capabilities ?? { networkPolicies: ["open"] },

    async launch(request): Promise<LaunchOutcome> {
      try {
        const { tasks, failures } = await client.send(new RunTaskCommand(runTaskInput(options, request)));
        const taskId = tasks?.[0]?.taskArn;
        if (taskId !== undefined) return { kind: "launched", taskId };
        const message =
          failures?.map((failure) => failure.detail ?? failure.reason ?? "").join("; ") || "no task and no reason";
        return { kind: "no_capacity", message };
      } catch (error) {
        return launchFailure(error);
      }
    },

    stop: ecsTaskStopper(options).stop,

    async describe(taskId): Promise<TaskState> {
      const { tasks } = await client.send(new DescribeTasksCommand({ cluster, tasks: [taskId] }));
      return stateOf(tasks?.[0]?.lastStatus);
    },
  };
}

/** For whoever may stop tasks and start none. */
export function ecsTaskStopper({
  client,
  cluster,
}: Pick<EcsSandboxOptions, "client" | "cluster">): Pick<SandboxProvider, "stop"> {
  return {
    async stop(taskId, reason) {
      try {
        await client.send(new StopTaskCommand({ cluster, task: taskId, reason: reason.slice(0, 1_024) }));
      } catch (error) {
        if (!isUnknownTask(error)) throw error;
      }
    },
  };
}

/** Everything in the cluster, which is the platform's own. */
export function ecsInventory({ client, cluster }: Pick<EcsSandboxOptions, "client" | "cluster">): SandboxInventory {
  return {
    stop: ecsTaskStopper({ client, cluster }).stop,
    async *running() {
      let nextToken: string | undefined;
      do {
        const page = await client.send(new ListTasksCommand({ cluster, nextToken, maxResults: tasksPerPage }));
        nextToken = page.nextToken;
        const arns = page.taskArns ?? [];
        if (arns.length === 0) continue;
        const { tasks = [] } = await client.send(new DescribeTasksCommand({ cluster, tasks: arns }));
        yield tasks.map(runningSandbox).filter((task) => task !== null);
      } while (nextToken !== undefined);
    },
  };
}

/** Of both ListTasks and DescribeTasks. */
const tasksPerPage = 100;

/** Its launch says whose it is: a task can not be launched without. */
function runningSandbox({ taskArn, createdAt, overrides }: Task): RunningSandbox | null {
  const supervisor = overrides?.containerOverrides?.find(({ name }) => name === "supervisor")?.environment ?? [];
  const valueOf = (name: string) => supervisor.find((pair) => pair.name === name)?.value;
  const [tenantId, sessionId] = [valueOf("TENANT_ID"), valueOf("SESSION_ID")];
  const epoch = Number(valueOf("EPOCH"));
  if (!taskArn || !createdAt || !tenantId || !sessionId || !(epoch > 0)) return null;
  return { taskId: taskArn, tenantId, sessionId, epoch, createdAt: createdAt.getTime() };
}

function runTaskInput(
  options: EcsSandboxOptions,
  { tenantId, sessionId, epoch, bootSecret, size, image }: LaunchRequest,
): RunTaskCommandInput {
  const environment = { TENANT_ID: tenantId, SESSION_ID: sessionId, EPOCH: String(epoch), BOOT_SECRET: bootSecret };
  return {
    cluster: options.cluster,
    taskDefinition: (image && options.imageDefinitions?.[image]) ?? options.taskDefinition,
    launchType: "FARGATE",
    count: 1,
    clientToken: clientToken(sessionId, epoch),
    startedBy: sessionId,
    networkConfiguration: {
      awsvpcConfiguration: {
        subnets: options.subnets,
        securityGroups: [options.securityGroup],
        assignPublicIp: "ENABLED",
      },
    },
    overrides: {
      containerOverrides: [{ name: "supervisor", environment: pairs(environment) }, ...toolboxOf(options, size)],
      ...taskSizeOf(options, size),
    },
  };
}

const pairs = (environment: Record<string, string>) =>
  Object.entries(environment).map(([name, value]) => ({ name, value }));

function toolboxOf({ sizes }: EcsSandboxOptions, size: SizeName | undefined) {
  const wanted = size && sizes?.[size];
  if (!wanted) return [];
  const { toolboxMemoryMiB: memory } = wanted;
  return [{ name: "toolbox", memory, environment: pairs({ MEMORY_MIB: String(memory) }) }];
}

function taskSizeOf({ sizes }: EcsSandboxOptions, size: SizeName | undefined) {
  const wanted = size && sizes?.[size];
  return wanted ? { cpu: String(wanted.cpu), memory: String(wanted.memoryMiB) } : {};
}

/** ECS takes 64 characters and answers a known token with its first task. */
export function clientToken(sessionId: string, epoch: number): string {
  return createHash("sha256").update(`${sessionId}/${epoch}`).digest("hex").slice(0, 64);
}

function launchFailure(error: unknown): LaunchOutcome {
  if (error instanceof ConflictException) {
    const taskId = error.resourceIds?.[0];
    return taskId === undefined ? { kind: "refused", message: error.message } : { kind: "launched", taskId };
  }
  if (!(error instanceof ECSServiceException)) return { kind: "no_capacity", message: messageOf(error) };
  return { kind: isPassing(error) ? "no_capacity" : "refused", message: error.message };
}

/** Capacity has no error type of its own: Fargate says it in the message of a ClientException. */
const capacityWords = /capacity is unavailable|reached the limit|rate exceeded|throttl|try again/i;

const isPassing = (error: ECSServiceException) =>
  error.$fault === "server" ||
  error.$retryable !== undefined ||
  error.name === "ThrottlingException" ||
  capacityWords.test(error.message);

const isUnknownTask = (error: unknown) =>
  error instanceof ECSServiceException &&
  error.name === "InvalidParameterException" &&
  /not found/i.test(error.message);

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** RunTask is eventually consistent: a task that ECS does not know may still be about to appear. */
function stateOf(lastStatus: string | undefined): TaskState {
  switch (lastStatus) {
    case undefined:
      return "unknown";
    case "RUNNING":
      return "running";
    case "DEACTIVATING":
    case "STOPPING":
    case "DEPROVISIONING":
    case "STOPPED":
    case "DELETED":
      return "stopped";
    default:
      return "starting";
  }
}
