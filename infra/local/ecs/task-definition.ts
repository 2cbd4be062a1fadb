import * as z from "zod";

export interface MountPoint {
  volume: string;
  path: string;
  readOnly: boolean;
}

export interface ContainerDefinition {
  name: string;
  /** What the image has at /app, on this machine. */
  appDirectory: string;
  command: string[];
  environment: Record<string, string>;
  /** Its own limit, else the task's. */
  memoryMiB: number | null;
  hasOwnMemory?: boolean;
  essential: boolean;
  /** As on ECS: at most one restart a period, and none of a run that was shorter than it. */
  restartPolicy: { attemptPeriodSeconds: number; ignoredExitCodes: number[] } | null;
  /** `sandbox.network: isolated` gives the container an empty network namespace. */
  dockerLabels: Record<string, string>;
  mountPoints: MountPoint[];
  /** `uid` or `uid:gid`; root is refused. */
  user: string | null;
  portMappings: number[];
  stopTimeoutSeconds: number;
}

export interface TaskDefinition {
  family: string;
  /** With the revision. */
  arn: string;
  executionRoleArn: string | null;
  taskRoleArn: string | null;
  containers: ContainerDefinition[];
  volumes: string[];
}

const Flag = z.union([z.boolean(), z.stringbool()]);
const Count = z.coerce.number().int();

/** The properties of an `AWS::ECS::TaskDefinition` that mean something on one machine, intrinsics resolved. */
const TemplateContainer = z.object({
  Name: z.string(),
  Command: z.array(z.string()).min(1),
  Environment: z.array(z.object({ Name: z.string(), Value: z.string() })).default([]),
  Memory: Count.optional(),
  Essential: Flag.default(true),
  RestartPolicy: z
    .object({
      Enabled: Flag.default(false),
      RestartAttemptPeriod: Count.default(300),
      IgnoredExitCodes: z.array(Count).default([]),
    })
    .optional(),
  DockerLabels: z.record(z.string(), z.string()).default({}),
  MountPoints: z
    .array(z.object({ SourceVolume: z.string(), ContainerPath: z.string(), ReadOnly: Flag.default(false) }))
    .default([]),
  User: z.string().optional(),
  PortMappings: z.array(z.object({ ContainerPort: Count })).default([]),
  StopTimeout: Count.default(30),
});

const TemplateTask = z.object({
  ExecutionRoleArn: z.string().optional(),
  TaskRoleArn: z.string().optional(),
  Memory: Count.optional(),
  ContainerDefinitions: z.array(TemplateContainer).min(1),
  Volumes: z.array(z.object({ Name: z.string() })).default([]),
});

interface DeployedTask {
  family: string;
  arn: string;
  /** The template's own, intrinsics resolved and addresses local. */
  properties: unknown;
}

/** `appDirectory`: the bundles that the image has at /app. */
export function parseTaskDefinition({ family, arn, properties }: DeployedTask, appDirectory: string): TaskDefinition {
  const task = TemplateTask.parse(properties);
  return {
    family,
    arn,
    executionRoleArn: task.ExecutionRoleArn ?? null,
    taskRoleArn: task.TaskRoleArn ?? null,
    containers: task.ContainerDefinitions.map((container) => containerOf(container, task.Memory ?? null, appDirectory)),
    volumes: task.Volumes.map((volume) => volume.Name),
  };
}

function containerOf(
  container: z.output<typeof TemplateContainer>,
  taskMemoryMiB: number | null,
  appDirectory: string,
): ContainerDefinition {
  const restart = container.RestartPolicy;
  return {
    name: container.Name,
    appDirectory,
    command: container.Command,
    environment: Object.fromEntries(container.Environment.map(({ Name, Value }) => [Name, Value])),
    memoryMiB: container.Memory ?? taskMemoryMiB,
    hasOwnMemory: container.Memory !== undefined,
    essential: container.Essential,
    restartPolicy: restart?.Enabled
      ? { attemptPeriodSeconds: restart.RestartAttemptPeriod, ignoredExitCodes: restart.IgnoredExitCodes }
      : null,
    dockerLabels: container.DockerLabels,
    mountPoints: container.MountPoints.map((mount) => ({
      volume: mount.SourceVolume,
      path: mount.ContainerPath,
      readOnly: mount.ReadOnly,
    })),
    user: container.User ?? null,
    portMappings: container.PortMappings.map((mapping) => mapping.ContainerPort),
    stopTimeoutSeconds: container.StopTimeout,
  };
}
