import { readdir, readFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { DescribeTasksCommand, ListTasksCommand, StopTaskCommand } from "@aws-sdk/client-ecs";
import type { Caller } from "../../../infra/local/contract.ts";
import { shellTask, startTestEcs, stopTestEcs, type TestEcs } from "../../support/test-ecs.ts";

const describeTask = async (ecs: TestEcs, taskArn: string) => {
  const { tasks } = await ecs.client.send(new DescribeTasksCommand({ cluster: "Main", tasks: [taskArn] }));
  return tasks?.[0];
};

const addressOf = async (ecs: TestEcs, taskArn: string) =>
  (await describeTask(ecs, taskArn))?.attachments?.[0]?.details?.find((detail) => detail.name === "privateIPv4Address")
    ?.value ?? "";

describe("a task", () => {
  let ecs: TestEcs;
  beforeAll(async () => {
    ecs = await startTestEcs();
  });
  afterAll(() => ecs.stop());

  it("goes from PROVISIONING to RUNNING to STOPPED, each with an event of a higher version", async () => {
    const { taskArn, lastStatus } = await ecs.run();
    expect(["PROVISIONING", "PENDING"]).toContain(lastStatus);
    await ecs.ready(taskArn);
    await ecs.client.send(new StopTaskCommand({ cluster: "Main", task: taskArn, reason: "idle" }));
    await ecs.untilStatus(taskArn, "STOPPED");
    const details = ecs.eventsOf(taskArn).map((event) => event.detail);
    expect(details.map((detail) => detail.version)).toEqual(details.map((_, index) => index + 1));
    expect([...new Set(details.map((detail) => detail.lastStatus))]).toEqual([
      "PROVISIONING",
      "PENDING",
      "RUNNING",
      "DEPROVISIONING",
      "STOPPED",
    ]);
    expect(details.at(-1)).toMatchObject({
      desiredStatus: "STOPPED",
      stopCode: "UserInitiated",
      stoppedReason: "idle",
    });
    const event = ecs.eventsOf(taskArn).at(-1);
    expect(event).toMatchObject({ source: "aws.ecs", "detail-type": "ECS Task State Change", resources: [taskArn] });
  });

  it("is told to stop by SIGTERM, and its programs may end by themselves", async () => {
    const { taskArn } = await ecs.run();
    await ecs.ready(taskArn);
    await ecs.client.send(new StopTaskCommand({ cluster: "Main", task: taskArn }));
    await ecs.untilStatus(taskArn, "STOPPED");
    await ecs.untilLine(taskArn, "supervisor stops");
    const task = await describeTask(ecs, taskArn);
    expect(task?.containers?.map((container) => container.exitCode)).toEqual([0, 0]);
  });

  it("ends with an essential container, whose exit code is told", async () => {
    const { taskArn } = await ecs.run();
    await ecs.ready(taskArn);
    await ecs.shell(taskArn, "supervisor", "kill -9 $PPID").catch(() => undefined);
    const { detail } = await ecs.untilStatus(taskArn, "STOPPED");
    expect(detail).toMatchObject({
      stopCode: "EssentialContainerExited",
      stoppedReason: "Essential container in task exited",
    });
    expect(detail.containers.find((container) => container.name === "supervisor")?.exitCode).toBe(137);
  });

  it("lives on without a container that is not essential", async () => {
    const { taskArn } = await ecs.run();
    await ecs.ready(taskArn);
    await ecs.shell(taskArn, "toolbox", "kill -9 $PPID").catch(() => undefined);
    await ecs.until(
      () => ecs.eventsOf(taskArn).some(({ detail }) => detail.containers[1]?.exitCode === 137),
      "the toolbox's end",
    );
    expect(await ecs.shell(taskArn, "supervisor", "echo alive")).toMatchObject({ output: "alive\n" });
    expect((await describeTask(ecs, taskArn))?.lastStatus).toBe("RUNNING");
    await ecs.client.send(new StopTaskCommand({ cluster: "Main", task: taskArn }));
  });

  it("has an address of its own, at which several supervisors listen on one port", async () => {
    const tasks = await Promise.all([ecs.run(), ecs.run()]);
    const addresses: string[] = [];
    for (const { taskArn } of tasks) {
      await ecs.ready(taskArn);
      const { output } = await ecs.shell(
        taskArn,
        "supervisor",
        `node -e '
        fetch(process.env.ECS_CONTAINER_METADATA_URI_V4).then((answer) => answer.json()).then(async ({ Networks }) => {
          const { TaskARN } = await (await fetch(process.env.ECS_CONTAINER_METADATA_URI_V4 + "/task")).json();
          console.log(JSON.stringify({ address: Networks[0].IPv4Addresses[0], task: TaskARN }));
        })'`,
      );
      const told = JSON.parse(output) as { address: string; task: string };
      expect(told).toEqual({ address: await addressOf(ecs, taskArn), task: taskArn });
      addresses.push(told.address);
      const serve = `node -e 'require("node:net").createServer((c) => c.end("${taskArn}")).listen(8080, "${told.address}", () => console.log("listening"))' >/tmp/out 2>/dev/null &
        until grep -qs . /tmp/out; do sleep 0.02; done; cat /tmp/out`;
      expect((await ecs.shell(taskArn, "supervisor", serve)).output).toBe("listening\n");
    }
    expect(new Set(addresses).size).toBe(2);
    for (const [index, address] of addresses.entries()) expect(await greeting(address)).toBe(tasks[index]?.taskArn);
    await Promise.all(
      tasks.map(({ taskArn }) => ecs.client.send(new StopTaskCommand({ cluster: "Main", task: taskArn }))),
    );
  });

  it("shares the workspace and nothing else between its containers", async () => {
    const { taskArn } = await ecs.run();
    await ecs.ready(taskArn);
    await ecs.shell(
      taskArn,
      "supervisor",
      "mkdir -p src && echo one > src/a.txt && echo secret > /var/lib/sandbox/key && touch /tmp/s /home/user/s",
    );
    expect(
      await ecs.shell(taskArn, "toolbox", "cat src/a.txt && umask 002 && echo two >> src/a.txt && ls /tmp /home/user"),
    ).toMatchObject({ code: 0 });
    expect((await ecs.shell(taskArn, "supervisor", "cat src/a.txt")).output).toBe("one\ntwo\n");
    expect((await ecs.shell(taskArn, "toolbox", "ls /var/lib/sandbox; ls -A /tmp /home/user")).output).not.toMatch(
      /key|^s$/m,
    );
    await ecs.client.send(new StopTaskCommand({ cluster: "Main", task: taskArn }));
  });

  it("has a current Node, npm, git, python and ripgrep", async () => {
    const { taskArn } = await ecs.run();
    await ecs.ready(taskArn);
    const { output } = await ecs.shell(
      taskArn,
      "toolbox",
      "node --version; npm --version; git --version; python3 --version; rg --version | head -1",
    );
    const [node, npm, ...others] = output.split("\n");
    expect(Number(/^v(\d+)/.exec(node ?? "")?.[1])).toBeGreaterThanOrEqual(22);
    expect(npm).toMatch(/^\d+\./);
    expect(others.join("\n")).toMatch(/git version[^]*Python 3[^]*ripgrep/);
    const native = "require('node:module').createRequire('/app/supervisor.mjs')('@vscode/ripgrep').rgPath";
    expect((await ecs.shell(taskArn, "supervisor", `node -p "${native}"`)).output).toMatch(/\/app\/.*\/rg\n$/);
    await ecs.client.send(new StopTaskCommand({ cluster: "Main", task: taskArn }));
  });
});

describe("the API", () => {
  afterEach(stopTestEcs);

  it("answers a client token again, and refuses it with other parameters", async () => {
    const ecs = await startTestEcs();
    const first = await ecs.run({ clientToken: "token" });
    expect((await ecs.run({ clientToken: "token" })).taskArn).toBe(first.taskArn);
    const other = ecs.run({ clientToken: "token", startedBy: "someone else" });
    await expect(other).rejects.toMatchObject({ name: "ConflictException", resourceIds: [first.taskArn] });
  });

  it("lists tasks, and says what it does not know", async () => {
    const ecs = await startTestEcs();
    const { taskArn } = await ecs.run();
    const { taskArns } = await ecs.client.send(new ListTasksCommand({ cluster: "Main", family: "SandboxTask" }));
    expect(taskArns).toEqual([taskArn]);
    const unknown = taskArn.replace(/.{4}$/, "0000");
    const { tasks, failures } = await ecs.client.send(new DescribeTasksCommand({ cluster: "Main", tasks: [unknown] }));
    expect({ tasks, failures }).toMatchObject({ tasks: [], failures: [{ arn: unknown, reason: "MISSING" }] });
    await expect(ecs.client.send(new StopTaskCommand({ cluster: "Main", task: unknown }))).rejects.toMatchObject({
      name: "InvalidParameterException",
    });
  });

  it.each([
    [{ cluster: "Other" }, "ClusterNotFoundException"],
    [{ taskDefinition: "Other" }, "ClientException"],
    [{ networkConfiguration: undefined }, "InvalidParameterException"],
    [{ launchType: "EC2" as const }, "InvalidParameterException"],
    [{ count: 11 }, "InvalidParameterException"],
    [{ clientToken: "x".repeat(65) }, "InvalidParameterException"],
    [{ overrides: { containerOverrides: [{ name: "sidecar" }] } }, "InvalidParameterException"],
    [
      {
        overrides: {
          containerOverrides: [{ name: "supervisor", environment: [{ name: "A", value: "x".repeat(9000) }] }],
        },
      },
      "InvalidParameterException",
    ],
  ])("refuses %j with %s", async (change, name) => {
    const ecs = await startTestEcs();
    await expect(ecs.run(change)).rejects.toMatchObject({ name });
    expect(ecs.events).toEqual([]);
  });

  it.each(["ecs:RunTask", "iam:PassRole"])("launches nothing for a role without %s", async (missing) => {
    const caller: Caller = { roleId: "Other", allows: (action) => action !== missing };
    const ecs = await startTestEcs({ caller });
    await expect(ecs.run()).rejects.toMatchObject({
      name: "AccessDeniedException",
      message: expect.stringContaining(missing) as string,
    });
    expect(ecs.events).toEqual([]);
  });

  it("asks for the permission on exactly the resources that AWS would", async () => {
    const asked: string[] = [];
    const caller: Caller = { roleId: "Turn", allows: (action, resource) => asked.push(`${action} ${resource}`) > 0 };
    const ecs = await startTestEcs({ caller });
    const { taskArn } = await ecs.run();
    await describeTask(ecs, taskArn);
    await ecs.client.send(new StopTaskCommand({ cluster: "Main", task: taskArn.slice(taskArn.lastIndexOf("/") + 1) }));
    const [definition] = [shellTask()];
    expect(asked).toEqual([
      `ecs:RunTask ${definition.arn}`,
      `iam:PassRole ${definition.executionRoleArn}`,
      `ecs:DescribeTasks ${taskArn}`,
      `ecs:StopTask ${taskArn}`,
    ]);
  });

  it("is out of capacity at its limit of tasks", async () => {
    const ecs = await startTestEcs({ maxTasks: 1 });
    const { taskArn } = await ecs.run();
    await expect(ecs.run()).rejects.toMatchObject({ message: expect.stringContaining("reached the limit") as string });
    await ecs.client.send(new StopTaskCommand({ cluster: "Main", task: taskArn }));
    await ecs.untilStatus(taskArn, "STOPPED");
    await ecs.run();
  });

  it("refuses what is not an ECS request", async () => {
    const ecs = await startTestEcs();
    const post = (target: string, body: string) =>
      fetch(ecs.endpoint, { method: "POST", body, headers: { "x-amz-target": target } });
    const prefix = "AmazonEC2ContainerServiceV20141113";
    expect(await (await post(`${prefix}.DeleteCluster`, "{}")).json()).toMatchObject({
      __type: "UnknownOperationException",
    });
    expect(await (await post("Other.RunTask", "{}")).json()).toMatchObject({ __type: "UnknownOperationException" });
    expect(await (await post(`${prefix}.RunTask`, "{")).json()).toMatchObject({ __type: "SerializationException" });
    expect(await (await post(`${prefix}.constructor`, "{}")).json()).toMatchObject({
      __type: "UnknownOperationException",
    });
  });
});

describe("a container", () => {
  afterEach(stopTestEcs);

  it("that does not heed SIGTERM is killed after its stop timeout", async () => {
    const deaf = [
      "node",
      "-e",
      "process.on('SIGTERM', () => console.log('heard')); setInterval(() => 0, 1000); console.log('deaf')",
    ];
    const ecs = await startTestEcs({
      taskDefinitions: [shellTask({ supervisor: { command: deaf, stopTimeoutSeconds: 0.3 } })],
    });
    const { taskArn } = await ecs.run();
    await ecs.untilLine(taskArn, "deaf");
    await ecs.client.send(new StopTaskCommand({ cluster: "Main", task: taskArn }));
    const { detail } = await ecs.untilStatus(taskArn, "STOPPED");
    await ecs.untilLine(taskArn, "heard");
    expect(detail.containers[0]?.exitCode).toBe(137);
  });

  it("is restarted by its policy once a period, and not when it ended sooner", async () => {
    let now = Date.now();
    const restartPolicy = { attemptPeriodSeconds: 60, ignoredExitCodes: [0] };
    const ecs = await startTestEcs({
      clock: { now: () => now },
      taskDefinitions: [shellTask({ toolbox: { restartPolicy } })],
    });
    const { taskArn } = await ecs.run();
    await ecs.ready(taskArn);
    const readies = () => ecs.logs.filter((log) => log.line === "toolbox ready").length;
    now += 61_000;
    await ecs.shell(taskArn, "toolbox", "kill -9 $PPID").catch(() => undefined);
    await ecs.until(() => readies() === 2, "the restart");
    expect(await ecs.shell(taskArn, "toolbox", "echo again")).toMatchObject({ output: "again\n" });
    await ecs.shell(taskArn, "toolbox", "kill -9 $PPID").catch(() => undefined);
    await ecs.until(() => ecs.eventsOf(taskArn).at(-1)?.detail.containers[1]?.lastStatus === "STOPPED", "the end");
    expect(readies()).toBe(2);
  });

  it.each([
    ["an unknown program", { command: ["no-such-program"] }, /no-such-program/],
    ["a missing image folder", { appDirectory: "/nowhere" }, /nowhere/],
    ["root as its user", { user: "0" }, /uid other than 0/],
    ["no user", { user: null }, /uid other than 0/],
  ])("with %s stops the task with the reason", async (_what, change, reason) => {
    const ecs = await startTestEcs({ taskDefinitions: [shellTask({ supervisor: change })] });
    const { taskArn } = await ecs.run();
    const { detail } = await ecs.untilStatus(taskArn, "STOPPED");
    expect([detail.stoppedReason, ...detail.containers.map((container) => container.reason)].join(" ")).toMatch(reason);
  });
});

describe("stopping the platform", () => {
  afterEach(stopTestEcs);

  it("ends every process and removes every folder, also of tasks that are starting", async () => {
    const ecs = await startTestEcs();
    const { taskArn } = await ecs.run();
    await ecs.ready(taskArn);
    const marker = `9${Math.floor(Math.random() * 1e6)}`;
    const isUp = `until grep -qs ${marker} /proc/$!/cmdline; do sleep 0.02; done`;
    await ecs.shell(taskArn, "toolbox", `nohup setsid sleep ${marker} >/dev/null 2>&1 & ${isUp}; echo started`);
    expect(await processesWith(marker)).not.toEqual([]);
    await ecs.run();
    await ecs.stop();
    expect(await processesWith(marker)).toEqual([]);
    expect(ecs.events.filter(({ detail }) => detail.lastStatus === "STOPPED")).toHaveLength(2);
    await expect(ecs.run()).rejects.toBeDefined();
  });

  it("does the same in the unisolated mode, which warns loudly", async () => {
    const ecs = await startTestEcs({
      isolation: "none",
      taskDefinitions: [
        shellTask({ supervisor: { command: ["node", "-e", "console.log('up'); setInterval(() => 0, 1000)"] } }),
      ],
    });
    expect(ecs.description.join(" ")).toMatch(/WARNING: no isolation/);
    const { taskArn } = await ecs.run();
    await ecs.untilLine(taskArn, "up");
    await ecs.stop();
    expect(ecs.events.at(-1)?.detail.lastStatus).toBe("STOPPED");
  });
});

function greeting(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const connection = createConnection(8080, address, () => undefined);
    connection.on("data", (chunk) => (text += String(chunk)));
    connection.on("error", reject);
    connection.on("close", () => resolve(text));
  });
}

/** Every process of this machine whose command line has the text, seen from outside. */
async function processesWith(text: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(text) && !line.includes("jest"));
}
