import { EventEmitter, on } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes, randomUUID } from "node:crypto";
import { ECSClient, RunTaskCommand, type RunTaskCommandInput } from "@aws-sdk/client-ecs";
import { type Caller, localAccount } from "../../infra/local/contract.ts";
import { createEcs, type Ecs, type EcsOptions } from "../../infra/local/ecs/ecs.ts";
import { findPrograms } from "../../infra/local/ecs/programs.ts";
import type { ContainerDefinition, TaskDefinition } from "../../infra/local/ecs/task-definition.ts";
import type { LogLine } from "../../infra/local/ecs/task-host.ts";
import type { StateChangeEvent } from "../../infra/local/ecs/task-state.ts";
import type { Ids } from "../../shared/ports/ids.ts";
import { closeServer, listenOnLoopback } from "../../infra/local/gateway/loopback.ts";

const arn = (resource: string) =>
  `arn:${localAccount.partition}:ecs:${localAccount.region}:${localAccount.id}:${resource}`;

/** As the platform's own task definition, with a shell in place of both programs. */
export function shellContainer(
  name: "supervisor" | "toolbox",
  changes: Partial<ContainerDefinition> = {},
): ContainerDefinition {
  const isToolbox = name === "toolbox";
  return {
    name,
    appDirectory: join(import.meta.dirname, "sandbox-programs"),
    command: ["node", "/app/shell.mjs", name],
    environment: isToolbox ? {} : { STATE_DIR: "/var/lib/sandbox" },
    memoryMiB: 512,
    essential: !isToolbox,
    restartPolicy: null,
    dockerLabels: isToolbox ? { "sandbox.network": "isolated" } : {},
    mountPoints: [
      { volume: "workspace", path: "/workspace", readOnly: false },
      { volume: "sockets", path: "/run/sandbox", readOnly: false },
    ],
    user: isToolbox ? "1000" : "1001",
    portMappings: isToolbox ? [] : [8080],
    stopTimeoutSeconds: 2,
    ...changes,
  };
}

export function shellTask(
  changes: Partial<Record<"supervisor" | "toolbox", Partial<ContainerDefinition>>> = {},
): TaskDefinition {
  return {
    family: "SandboxTask",
    arn: arn("task-definition/SandboxTask:1"),
    executionRoleArn: `arn:aws:iam::${localAccount.id}:role/Execution`,
    taskRoleArn: null,
    containers: [shellContainer("supervisor", changes.supervisor), shellContainer("toolbox", changes.toolbox)],
    volumes: ["workspace", "sockets"],
  };
}

const testIds: Ids = {
  next: (prefix) => `${prefix}_${randomUUID()}`,
  uuid: randomUUID,
  secret: (bytes) => randomBytes(bytes).toString("base64url"),
  random: Math.random,
};

export const sandboxNetwork = { awsvpcConfiguration: { subnets: ["subnet-a", "subnet-b"], securityGroups: ["sg-a"] } };

const running = new Set<{ stop(): Promise<void> }>();

/** The emulated ECS behind the real client, and everything it said. */
export async function startTestEcs(options: Partial<EcsOptions> & { caller?: Caller } = {}) {
  const { caller = { roleId: "Turn", allows: () => true }, ...changes } = options;
  const directory = await mkdtemp(join(tmpdir(), "ecs-"));
  const events: StateChangeEvent[] = [];
  const logs: LogLine[] = [];
  const heard = new EventEmitter().setMaxListeners(0);
  const ecs: Ecs = await createEcs({
    clusters: [{ name: "Main", arn: arn("cluster/Main") }],
    taskDefinitions: [shellTask()],
    rootDirectory: directory,
    programs: findPrograms(join(import.meta.dirname, "../../node_modules")),
    emit: (event) => {
      events.push(event);
      heard.emit("news");
    },
    log: (line) => {
      logs.push(line);
      heard.emit("news");
    },
    clock: { now: () => Date.now() },
    ids: testIds,
    ...changes,
  });
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => void ecs.service(request, response, Buffer.concat(chunks), caller));
  });
  const endpoint = `http://127.0.0.1:${await listenOnLoopback(server, 0)}`;
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const client = new ECSClient({ endpoint, region: localAccount.region, credentials, maxAttempts: 1 });

  /** Resolves with the first value that is neither undefined nor false, asked again at every event and log line. */
  async function until<T>(ask: () => T | undefined | false, what: string, timeoutMs = 15_000): Promise<T> {
    const news = on(heard, "news", { signal: AbortSignal.timeout(timeoutMs) });
    for (let found = ask(); ; found = ask()) {
      if (found !== undefined && found !== false) {
        await news.return?.();
        return found;
      }
      await news.next().catch(() => {
        throw new Error(
          `${what}: not within ${timeoutMs} ms. Events: ${events.map(summary).join(" | ")} Logs: ${JSON.stringify(logs.slice(-20))}`,
        );
      });
    }
  }

  const eventsOf = (taskArn: string) => events.filter((event) => event.detail.taskArn === taskArn);
  const testEcs = {
    client,
    directory,
    events,
    logs,
    description: ecs.description,
    eventsOf,
    until,
    untilStatus: (taskArn: string, status: string) =>
      until(() => eventsOf(taskArn).find((event) => event.detail.lastStatus === status), `${status} of ${taskArn}`),
    untilLine: (taskArn: string, line: string) =>
      until(
        () => logs.find((log) => taskArn.endsWith(log.taskId) && log.line.includes(line)),
        `"${line}" of ${taskArn}`,
      ),
    async run(input: Partial<RunTaskCommandInput> = {}) {
      const defaults = {
        cluster: "Main",
        taskDefinition: "SandboxTask",
        launchType: "FARGATE" as const,
        networkConfiguration: sandboxNetwork,
      };
      const { tasks } = await client.send(new RunTaskCommand({ ...defaults, ...input }));
      const task = tasks?.[0];
      if (task?.taskArn === undefined) throw new Error("no task");
      return { ...task, taskArn: task.taskArn };
    },
    /** Both programs of the task listen. */
    async ready(taskArn: string) {
      await until(
        () => logs.some((log) => taskArn.endsWith(log.taskId) && log.line === "supervisor ready"),
        "supervisor ready",
      );
      await until(
        () => logs.some((log) => taskArn.endsWith(log.taskId) && log.line === "toolbox ready"),
        "toolbox ready",
      );
    },
    /** Runs a bash command inside a container, from outside it. */
    shell(taskArn: string, container: "supervisor" | "toolbox", command: string): Promise<ShellResult> {
      const taskId = taskArn.slice(taskArn.lastIndexOf("/") + 1);
      return askShell(join(directory, "tasks", taskId, "volumes", "sockets", `${container}.sock`), command);
    },
    endpoint,
    async stop() {
      running.delete(testEcs);
      await ecs.stop();
      client.destroy();
      await closeServer(server);
      await rm(directory, { recursive: true, force: true });
    },
  };
  running.add(testEcs);
  return testEcs;
}

export type TestEcs = Awaited<ReturnType<typeof startTestEcs>>;

/** For `afterEach`: a test that failed must not leave its tasks behind. */
export async function stopTestEcs(): Promise<void> {
  await Promise.all([...running].map((ecs) => ecs.stop()));
}

export interface ShellResult {
  code: number;
  signal: string | null;
  output: string;
}

function askShell(path: string, command: string): Promise<ShellResult> {
  return new Promise((resolve, reject) => {
    const connection = createConnection(path);
    let answer = "";
    connection.on("data", (chunk) => (answer += String(chunk)));
    connection.on("error", reject);
    connection.on("close", () =>
      answer === "" ? reject(new Error("the container ended")) : resolve(JSON.parse(answer) as ShellResult),
    );
    connection.write(`${JSON.stringify(command)}\n`);
  });
}

const summary = ({ detail }: StateChangeEvent) =>
  `${detail.version} ${detail.lastStatus}/${detail.desiredStatus} ${detail.stoppedReason ?? ""} ${detail.containers.map((each) => `${each.name}=${each.lastStatus},${each.exitCode ?? ""},${each.reason ?? ""}`).join(";")}`;
