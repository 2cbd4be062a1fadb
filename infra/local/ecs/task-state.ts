import { localAccount } from "../contract.ts";
import type { TaskDefinition } from "./task-definition.ts";

export type TaskStatus = "PROVISIONING" | "PENDING" | "RUNNING" | "DEPROVISIONING" | "STOPPED";
export type StopCode = "TaskFailedToStart" | "EssentialContainerExited" | "UserInitiated";

export interface ContainerState {
  name: string;
  arn: string;
  runtimeId: string;
  status: "PENDING" | "RUNNING" | "STOPPED";
  exitCode: number | null;
  reason: string | null;
  restarts: number;
}

/** A task as the ECS API and the state-change events describe it. Times are milliseconds. */
export interface TaskState {
  id: string;
  arn: string;
  clusterArn: string;
  definitionArn: string;
  definition: TaskDefinition;
  /** Environment that the launch added, by container. */
  overrides: Map<string, Record<string, string>>;
  /** Memory limits that the launch set, in MiB, by container. */
  memory: Map<string, number>;
  startedBy: string | null;
  group: string | null;
  address: string;
  subnet: string;
  status: TaskStatus;
  desired: "RUNNING" | "STOPPED";
  /** Rises with every change: an event with a lower or equal one is a duplicate or late. */
  version: number;
  stopCode: StopCode | null;
  stoppedReason: string | null;
  containers: ContainerState[];
  createdAt: number;
  startedAt: number | null;
  stoppingAt: number | null;
  stoppedAt: number | null;
}

const { id: account, region, partition } = localAccount;
export const ecsArn = (resource: string) => `arn:${partition}:ecs:${region}:${account}:${resource}`;

type TimeFormat = (milliseconds: number) => unknown;
/** The JSON protocol of AWS counts seconds; events have ISO 8601. */
const seconds: TimeFormat = (milliseconds) => milliseconds / 1000;
const iso: TimeFormat = (milliseconds) => new Date(milliseconds).toISOString();

export const describedTask = (task: TaskState) => describe(task, seconds);

export function stateChangeEvent(task: TaskState, id: string, now: number) {
  return {
    version: "0",
    id,
    "detail-type": "ECS Task State Change",
    source: "aws.ecs",
    account,
    time: `${new Date(now).toISOString().slice(0, 19)}Z`,
    region,
    resources: [task.arn],
    detail: { ...describe(task, iso), updatedAt: iso(now) },
  };
}
export type StateChangeEvent = ReturnType<typeof stateChangeEvent>;

function describe(task: TaskState, time: TimeFormat) {
  const at = (milliseconds: number | null) => (milliseconds === null ? undefined : time(milliseconds));
  return {
    taskArn: task.arn,
    clusterArn: task.clusterArn,
    taskDefinitionArn: task.definitionArn,
    lastStatus: task.status as string,
    desiredStatus: task.desired as string,
    version: task.version,
    launchType: "FARGATE",
    platformVersion: "1.4.0",
    platformFamily: "Linux",
    availabilityZone: `${region}a`,
    connectivity: task.status === "RUNNING" ? "CONNECTED" : undefined,
    group: task.group ?? `family:${task.definition.family}`,
    startedBy: task.startedBy ?? undefined,
    stopCode: task.stopCode ?? undefined,
    stoppedReason: task.stoppedReason ?? undefined,
    createdAt: time(task.createdAt),
    startedAt: at(task.startedAt),
    stoppingAt: at(task.stoppingAt),
    stoppedAt: at(task.stoppedAt),
    executionStoppedAt: at(task.stoppedAt),
    attachments: [attachmentOf(task)],
    containers: task.containers.map((container) => describeContainer(task, container)),
    overrides: {
      containerOverrides: [...task.overrides].map(([name, environment]) => ({
        name,
        environment: Object.entries(environment).map(([key, value]) => ({ name: key, value })),
      })),
    },
  };
}

const attachmentOf = ({ id, address, subnet, status }: TaskState) => ({
  id: `attachment-${id}`,
  type: "ElasticNetworkInterface",
  status: status === "STOPPED" ? "DELETED" : "ATTACHED",
  details: [
    { name: "subnetId", value: subnet },
    { name: "networkInterfaceId", value: `eni-${id.slice(0, 17)}` },
    { name: "privateIPv4Address", value: address },
  ],
});

const describeContainer = (task: TaskState, container: ContainerState) => ({
  containerArn: container.arn,
  taskArn: task.arn,
  name: container.name,
  lastStatus: container.status,
  runtimeId: container.runtimeId,
  exitCode: container.exitCode ?? undefined,
  reason: container.reason ?? undefined,
  networkInterfaces: [{ attachmentId: `attachment-${task.id}`, privateIpv4Address: task.address }],
});
