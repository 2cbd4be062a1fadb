import { createHash } from "node:crypto";
import {
  ConflictException,
  DescribeTasksCommand,
  type ECSClient,
  ECSServiceException,
  RunTaskCommand,
  type RunTaskCommandInput,
  StopTaskCommand,
} from "@aws-sdk/client-ecs";
import { ecsNetworkPolicies } from "../config/sandbox.ts";
import type { LaunchOutcome, LaunchRequest, SandboxProvider, TaskState } from "../ports/sandbox-provider.ts";

export interface EcsSandboxOptions {
  client: ECSClient;
  cluster: string;
  taskDefinition: string;
  /** In several availability zones: one of them may be out of capacity. */
  subnets: string[];
  securityGroup: string;
}

/** Sandboxes as Fargate tasks. A task id is the task's ARN. */
export function ecsSandboxProvider(options: EcsSandboxOptions): SandboxProvider {
  const { client, cluster } = options;
  return {
    capabilities: { networkPolicies: ecsNetworkPolicies },

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

function runTaskInput(
  options: EcsSandboxOptions,
  { tenantId, sessionId, epoch, bootSecret }: LaunchRequest,
): RunTaskCommandInput {
  const environment = { TENANT_ID: tenantId, SESSION_ID: sessionId, EPOCH: String(epoch), BOOT_SECRET: bootSecret };
  return {
    cluster: options.cluster,
    taskDefinition: options.taskDefinition,
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
      containerOverrides: [
        { name: "supervisor", environment: Object.entries(environment).map(([name, value]) => ({ name, value })) },
      ],
    },
  };
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
