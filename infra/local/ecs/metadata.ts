import { createServer } from "node:http";
import { localAccount, type Running } from "../contract.ts";
import { closeServer, listenOnLoopback } from "../gateway/loopback.ts";
import type { TaskState } from "./task-state.ts";

export interface MetadataEndpoint extends Running {
  /** The value of ECS_CONTAINER_METADATA_URI_V4. */
  urlOf(runtimeId: string): string;
}

/** The task metadata endpoint, version 4: `{url}` tells of the container, `{url}/task` of its task. */
export async function startMetadata(tasks: () => Iterable<TaskState>): Promise<MetadataEndpoint> {
  const server = createServer((request, response) => {
    const [, version, runtimeId, part] = (request.url ?? "").split("/");
    const body = version === "v4" && runtimeId !== undefined ? answer(tasks(), runtimeId, part) : null;
    response.writeHead(body === null ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(body ?? { error: "not found" }));
  });
  const port = await listenOnLoopback(server, 0);
  return {
    urlOf: (runtimeId) => `http://127.0.0.1:${port}/v4/${runtimeId}`,
    stop: () => closeServer(server),
  };
}

function answer(tasks: Iterable<TaskState>, runtimeId: string, part: string | undefined): unknown {
  for (const task of tasks) {
    const index = task.containers.findIndex((container) => container.runtimeId === runtimeId);
    if (index < 0 || task.status === "STOPPED") continue;
    if (part === undefined || part === "") return containerAnswer(task, index);
    return part === "task" ? taskAnswer(task) : null;
  }
  return null;
}

function containerAnswer(task: TaskState, index: number) {
  const container = task.containers[index];
  const definition = task.definition.containers[index];
  return {
    DockerId: container?.runtimeId,
    Name: container?.name,
    DockerName: container?.name,
    Labels: {
      ...definition?.dockerLabels,
      "com.amazonaws.ecs.cluster": task.clusterArn,
      "com.amazonaws.ecs.container-name": container?.name,
      "com.amazonaws.ecs.task-arn": task.arn,
    },
    DesiredStatus: task.desired,
    KnownStatus: container?.status,
    ContainerARN: container?.arn,
    Networks: [{ NetworkMode: "awsvpc", IPv4Addresses: [task.address] }],
  };
}

const taskAnswer = (task: TaskState) => ({
  Cluster: task.clusterArn,
  TaskARN: task.arn,
  Family: task.definition.family,
  Revision: "1",
  DesiredStatus: task.desired,
  KnownStatus: task.status,
  LaunchType: "FARGATE",
  AvailabilityZone: `${localAccount.region}a`,
  Containers: task.containers.map((_, index) => containerAnswer(task, index)),
});
