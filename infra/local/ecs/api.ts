import { randomUUID } from "node:crypto";
import { type AwsService, type Caller, localAccount } from "../contract.ts";
import {
  DescribeTasksRequest,
  EcsFailure,
  ListTasksRequest,
  readRequest,
  RunTaskRequest,
  StopTaskRequest,
} from "./requests.ts";
import { describedTask, ecsArn, type TaskState } from "./task-state.ts";
import type { Tasks } from "./tasks.ts";

type Action = (members: unknown, caller: Caller, tasks: Tasks) => unknown;

const targetPrefix = "AmazonEC2ContainerServiceV20141113.";

/** The JSON 1.1 protocol of ECS, as far as the platform uses it. */
export function ecsApi(tasks: Tasks): AwsService {
  return async (request, response, body, caller) => {
    const answer = (status: number, members: unknown) => {
      response.writeHead(status, { "content-type": "application/x-amz-json-1.1", "x-amzn-requestid": randomUUID() });
      response.end(JSON.stringify(members));
    };
    try {
      const target = String(request.headers["x-amz-target"]);
      const action = actions.get(target.slice(targetPrefix.length));
      if (!target.startsWith(targetPrefix) || action === undefined)
        throw new EcsFailure("UnknownOperationException", `${target} does not exist here`);
      answer(200, action(parseJson(body), caller, tasks));
    } catch (error) {
      if (error instanceof EcsFailure)
        return answer(400, { __type: error.type, message: error.message, ...error.extra });
      answer(500, {
        __type: "ServerException",
        message: error instanceof Error ? error.message : "Service Unavailable",
      });
    }
  };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8") || "{}");
  } catch {
    throw new EcsFailure("SerializationException", "The request is not JSON");
  }
}

function authorise(caller: Caller, action: string, resource: string): void {
  if (caller.allows(action, resource)) return;
  const role = `arn:${localAccount.partition}:sts::${localAccount.id}:assumed-role/${caller.roleId}`;
  throw new EcsFailure(
    "AccessDeniedException",
    `User: ${role} is not authorized to perform: ${action} on resource: ${resource}`,
  );
}

const taskArn = (cluster: string, idOrArn: string) =>
  idOrArn.startsWith("arn:") ? idOrArn : ecsArn(`task/${cluster.slice(cluster.indexOf("/") + 1)}/${idOrArn}`);

const actions = new Map<string, Action>([
  ["RunTask", runTask],
  ["StopTask", stopTask],
  ["DescribeTasks", describeTasks],
  ["ListTasks", listTasks],
]);

function runTask(members: unknown, caller: Caller, tasks: Tasks) {
  const request = readRequest(RunTaskRequest, members);
  tasks.clusterArn(request.cluster);
  const definition = tasks.definitionOf(request.taskDefinition);
  authorise(caller, "ecs:RunTask", definition.arn);
  for (const role of [definition.executionRoleArn, definition.taskRoleArn])
    if (role !== null) authorise(caller, "iam:PassRole", role);
  if (request.launchType !== undefined && request.launchType !== "FARGATE") {
    throw new EcsFailure("InvalidParameterException", `launchType ${request.launchType} does not exist here`);
  }
  if (request.networkConfiguration === undefined) {
    throw new EcsFailure(
      "InvalidParameterException",
      "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    );
  }
  return { tasks: tasks.run(request).map(describedTask), failures: [] };
}

function stopTask(members: unknown, caller: Caller, tasks: Tasks) {
  const { cluster, task: id, reason } = readRequest(StopTaskRequest, members);
  const task = tasks.find(cluster, id);
  authorise(caller, "ecs:StopTask", taskArn(cluster, id));
  if (task === undefined) throw new EcsFailure("InvalidParameterException", "The referenced task was not found.");
  void task.stop("UserInitiated", reason);
  return { task: describedTask(task.state) };
}

function describeTasks(members: unknown, caller: Caller, tasks: Tasks) {
  const { cluster, tasks: wanted } = readRequest(DescribeTasksRequest, members);
  const found: TaskState[] = [];
  const failures: { arn: string; reason: string }[] = [];
  for (const id of wanted) {
    const state = tasks.find(cluster, id)?.state;
    authorise(caller, "ecs:DescribeTasks", taskArn(cluster, id));
    if (state === undefined) failures.push({ arn: id, reason: "MISSING" });
    else found.push(state);
  }
  return { tasks: found.map(describedTask), failures };
}

function listTasks(members: unknown, caller: Caller, tasks: Tasks) {
  const request = readRequest(ListTasksRequest, members);
  authorise(caller, "ecs:ListTasks", "*");
  const cluster = tasks.clusterArn(request.cluster);
  const wanted = request.desiredStatus === "STOPPED" ? "STOPPED" : "RUNNING";
  const matching = tasks
    .states()
    .filter(
      (task) =>
        task.clusterArn === cluster &&
        task.desired === wanted &&
        (request.family === undefined || task.definition.family === request.family) &&
        (request.startedBy === undefined || task.startedBy === request.startedBy),
    );
  const from = Number(request.nextToken ?? 0);
  const next = from + request.maxResults;
  return {
    taskArns: matching.slice(from, next).map((task) => task.arn),
    nextToken: next < matching.length ? String(next) : undefined,
  };
}
