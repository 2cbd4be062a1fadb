import { ecsInventory, ecsSandboxProvider } from "../../../shared/adapters/sandbox-ecs.ts";
import type { TaskState } from "../../../shared/ports/sandbox-provider.ts";
import { sandboxProviderContract, type SandboxProviderSubject } from "../../support/contracts/sandbox-provider.ts";
import { startTestEcs } from "../../support/test-ecs.ts";

const stateOf = (status: string): TaskState => {
  if (status === "RUNNING") return "running";
  return status === "STOPPED" || status === "DEPROVISIONING" ? "stopped" : "starting";
};

/** In ECS's words. */
const refusals = {
  capacity: "Capacity is unavailable at this time. Please try again later or in a different availability zone",
  throttled: "Rate exceeded",
  invalid: "Invalid setting for container 'supervisor'",
};

async function subject(): Promise<SandboxProviderSubject> {
  let refusal: string | null = null;
  let isLost = false;
  const ecs = await startTestEcs({ capacity: () => refusal });
  ecs.client.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      if (!isLost) return answer;
      isLost = false;
      throw new Error("socket hang up");
    },
    { step: "deserialize", name: "loseAnswer" },
  );
  const provider = ecsSandboxProvider({
    client: ecs.client,
    cluster: "Main",
    taskDefinition: "SandboxTask",
    subnets: ["subnet-a", "subnet-b"],
    securityGroup: "sg-a",
  });
  return {
    provider,
    inventory: ecsInventory({ client: ecs.client, cluster: "Main" }),
    untilState: async (taskId, state) => {
      await ecs.untilStatus(taskId, state === "running" ? "RUNNING" : "STOPPED");
      if (state === "running")
        await ecs.until(
          () => ecs.logs.some((log) => taskId.endsWith(log.taskId) && log.line === "supervisor ready"),
          "ready",
        );
    },
    crash: async (taskId) => {
      await ecs.shell(taskId, "supervisor", "kill -9 $PPID").catch(() => undefined);
    },
    refuse: (how) => {
      refusal = how && refusals[how];
    },
    loseNextAnswer: () => {
      isLost = true;
    },
    environmentOf: async (taskId) => {
      const { output } = await ecs.shell(taskId, "supervisor", "env -0 | tr '\\0' '\\n'");
      return Object.fromEntries(
        output
          .split("\n")
          .filter(Boolean)
          .map((line) => [line.split("=")[0], line.slice(line.indexOf("=") + 1)]),
      );
    },
    notices: (taskId) =>
      ecs.eventsOf(taskId).map(({ detail }) => ({ state: stateOf(detail.lastStatus), version: detail.version })),
    stop: ecs.stop,
  };
}

describe("ECS", () => sandboxProviderContract(subject));
