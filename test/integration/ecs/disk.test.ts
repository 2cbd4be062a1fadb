import { StopTaskCommand } from "@aws-sdk/client-ecs";
import { startTestEcs, type TestEcs } from "../../support/test-ecs.ts";

const gibibyte = 1024 ** 3;
let free = 100 * gibibyte;
let ecs: TestEcs;
beforeAll(async () => {
  ecs = await startTestEcs({ freeDisk: () => free });
});
afterAll(() => ecs.stop());

it("no task starts while the machine's disk is nearly full, and the provider is told that it may pass", async () => {
  free = gibibyte - 1;
  await expect(ecs.run()).rejects.toThrow(
    /^Capacity is unavailable at this time: 1023 MiB of this machine's disk are free, 1.0 GiB have to be$/,
  );
  free = gibibyte;
  const { taskArn } = await ecs.run();
  await ecs.ready(taskArn);
  await ecs.client.send(new StopTaskCommand({ cluster: "Main", task: taskArn }));
});

it("who fills the disk ends, and says why; the others go on", async () => {
  const [small, large] = [await ecs.run(), await ecs.run()];
  for (const { taskArn } of [small, large]) await ecs.ready(taskArn);
  await ecs.shell(large.taskArn, "toolbox", "head -c 50000000 /dev/zero > /workspace/filler");
  free = 600 * 1024 ** 2;
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(ecs.eventsOf(large.taskArn).at(-1)?.detail.lastStatus).toBe("RUNNING");
  free = 500 * 1024 ** 2;
  const { detail } = await ecs.untilStatus(large.taskArn, "STOPPED");
  free = 100 * gibibyte;
  expect(detail).toMatchObject({
    stopCode: "EssentialContainerExited",
    stoppedReason: expect.stringMatching(/^no space left on this machine's disk: the sandbox had 4[78] MiB of it$/),
  });
  expect(await ecs.shell(small.taskArn, "toolbox", "echo alive")).toMatchObject({ output: "alive\n" });
});
