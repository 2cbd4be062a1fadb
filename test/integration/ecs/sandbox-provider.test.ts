import { ecsSandboxProvider } from "../../../shared/adapters/sandbox-ecs.ts";
import type { TaskState } from "../../../shared/ports/sandbox-provider.ts";
import { sandboxProviderContract, type SandboxProviderSubject } from "../../support/contracts/sandbox-provider.ts";
import { startTestEcs } from "../../support/test-ecs.ts";

const stateOf = (status: string): TaskState => {
  if (status === "RUNNING") return "running";
  return status === "STOPPED" || status === "DEPROVISIONING" ? "stopped" : "starting";
};

async function subject(): Promise<SandboxProviderSubject> {
  let noCapacity: string | null = null;
  const ecs = await startTestEcs({ capacity: () => noCapacity });
  const provider = ecsSandboxProvider({
    client: ecs.client,
    cluster: "Main",
    taskDefinition: "SandboxTask",
    subnets: ["subnet-a", "subnet-b"],
    securityGroup: "sg-a",
  });
  return {
    provider,
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
    setCapacity: (available) => {
      noCapacity = available
        ? null
        : "Capacity is unavailable at this time. Please try again later or in a different availability zone";
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
