import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { withEcsConditions } from "./aws/condition-keys.ts";
import type { Queues } from "./aws/queues.ts";
import { createEcs, type Ecs } from "./ecs/ecs.ts";
import { findPrograms } from "./ecs/programs.ts";
import { parseTaskDefinition } from "./ecs/task-definition.ts";
import { startEventBus, type EventBus } from "./events/event-bus.ts";
import { startEventSource } from "./events/event-source.ts";
import type { AccessKeys } from "./iam/access-keys.ts";
import type { LambdaHost } from "./lambda/host.ts";
import type { LogFiles } from "./log-files.ts";
import type { Log } from "./platform-logs.ts";
import type { PlatformOptions } from "./platform-options.ts";
import type { Keep } from "./platform-stores.ts";
import type {
  DeployedEventSource,
  DeployedFunction,
  DeployedStack,
  DeployedTaskDefinition,
  RuleTarget,
} from "./template/deployed-stack.ts";

export interface EventOptions {
  stack: DeployedStack;
  host: LambdaHost;
  queues: Queues;
  keys: AccessKeys;
  scheduleScale: number;
  log: Log;
  keep: Keep;
}

/** Everything that runs functions by itself: queues, schedules, events. */
export function startEvents({ stack, host, queues, keys, scheduleScale, log, keep }: EventOptions): EventBus {
  for (const mapping of stack.eventSources) {
    const consumer = stack.functions.find((each) => each.id === mapping.functionId);
    if (consumer === undefined) throw new Error(`event source ${mapping.id} names no function`);
    requirePolling(keys, consumer, mapping);
    const { reservedConcurrency } = consumer;
    const logSource = (line: string) => log("events", line);
    keep(startEventSource({ mapping, queues, invoke: host.invoke, reservedConcurrency, log: logSource }));
  }
  const deliver = ruleDelivery(host, queues, (line) => log("events", line));
  return keep(startEventBus({ rules: stack.rules, deliver, scheduleScale, now: systemClock.now }));
}

/** Where rules bring events: functions, whose host tries again, and queues. */
function ruleDelivery(host: LambdaHost, queues: Queues, say: (line: string) => void) {
  return (to: RuleTarget["to"], event: unknown, retries: number) => {
    if (to.kind === "function") return void host.invokeLater(to.functionId, event, retries);
    const QueueUrl = to.queueArn.split(":").at(-1);
    const message = { QueueUrl, MessageBody: JSON.stringify(event), MessageGroupId: to.group ?? undefined };
    queues.call("SendMessage", message).then(
      ({ status }) => status === 200 || say(`rule: ${QueueUrl} answered ${status}`),
      (error: unknown) => say(`rule: ${QueueUrl}: ${String(error)}`),
    );
  };
}

/** AWS refuses to create a mapping whose function may not take messages from the queue. */
function requirePolling(keys: AccessKeys, consumer: DeployedFunction, mapping: DeployedEventSource): void {
  const role = keys.callerOf(keys.ofRole(consumer.roleId).accessKeyId);
  for (const action of ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]) {
    if (role?.allows(action, mapping.queueArn) !== true) {
      throw new Error(`${consumer.label} may not ${action} on ${mapping.queueArn}, so its event source cannot exist`);
    }
  }
}

/** ECS: sandboxes as processes of this machine. `definitions` with local addresses. */
export async function startContainers(
  options: PlatformOptions,
  definitions: DeployedTaskDefinition[],
  stack: DeployedStack,
  files: LogFiles,
  events: EventBus,
): Promise<Ecs> {
  const rootDirectory = join(options.stateDir, "containers");
  mkdirSync(rootDirectory, { recursive: true });
  const ecs = await createEcs({
    clusters: stack.clusters,
    taskDefinitions: definitions.map((definition) => parseTaskDefinition(definition, options.sandboxDir)),
    rootDirectory,
    programs: findPrograms(options.nodeModulesDir),
    emit: (event) => events.emit(event),
    clock: systemClock,
    ids: randomIds,
    ...(options.isolation === undefined ? {} : { isolation: options.isolation }),
    ...(options.rootFilesystem === undefined ? {} : { rootFilesystem: options.rootFilesystem }),
    log: (line) => files.write("containers", `${line.taskId} ${line.container} ${line.line}`),
  });
  return { ...ecs, service: withEcsConditions(ecs.service) };
}
