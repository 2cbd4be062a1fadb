import { randomUUID } from "node:crypto";
import { ecsSandboxProvider } from "../../../shared/adapters/sandbox-ecs.ts";
import { shellTask, startTestEcs, type TestEcs } from "../../support/test-ecs.ts";

const sizes = {
  small: { cpu: 512, memoryMiB: 1024, toolboxMemoryMiB: 160 },
  large: { cpu: 512, memoryMiB: 5_000, toolboxMemoryMiB: 4_000 },
};

let ecs: TestEcs;
beforeAll(async () => {
  const python = { ...shellTask(), family: "Python", arn: shellTask().arn.replace("SandboxTask", "Python") };
  ecs = await startTestEcs({ taskDefinitions: [shellTask({ toolbox: { memoryMiB: 512 } }), python] });
});
afterAll(() => ecs.stop());

const provider = () =>
  ecsSandboxProvider({
    client: ecs.client,
    cluster: "Main",
    taskDefinition: "SandboxTask",
    subnets: ["subnet-a"],
    securityGroup: "sg-a",
    sizes,
    imageDefinitions: { python: "Python" },
  });

const launch = (more: { size?: "small" | "large"; image?: string }) =>
  provider().launch({ tenantId: "t", sessionId: randomUUID(), epoch: 1, bootSecret: "b", ...more });

it("a size is the memory of the task and of its toolbox", async () => {
  const outcome = await launch({ size: "small" });
  if (outcome.kind !== "launched") throw new Error(outcome.message);
  await ecs.ready(outcome.taskId);
  const shell = (command: string) => ecs.shell(outcome.taskId, "toolbox", command);
  expect((await shell("echo $MEMORY_MIB")).output).toBe("160\n");
  const hungry = (mebibytes: number) =>
    shell(`node -e 'const b = Buffer.alloc(${mebibytes} * 1024 * 1024, 1); console.log(b.length)'`);
  expect((await hungry(20)).code).toBe(0);
  expect((await hungry(900)).code).not.toBe(0);
  await provider().stop(outcome.taskId, "done");
});

it("a size that Fargate does not have is refused, as Fargate does", async () => {
  expect(await launch({ size: "large" })).toEqual({
    kind: "refused",
    message: "No Fargate configuration exists for given values.",
  });
});

it("an image is another task definition; one that is not known is the deployment's own", async () => {
  const python = await launch({ image: "python" });
  const unknown = await launch({ image: "default" });
  if (python.kind !== "launched" || unknown.kind !== "launched") throw new Error("not launched");
  const definitionOf = (arn: string) => ecs.eventsOf(arn)[0]?.detail.taskDefinitionArn;
  expect(definitionOf(python.taskId)).toContain("Python");
  expect(definitionOf(unknown.taskId)).toContain("SandboxTask");
  for (const { taskId } of [python, unknown]) await provider().stop(taskId, "done");
});
