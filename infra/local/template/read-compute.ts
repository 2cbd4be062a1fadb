import { existsSync } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import * as z from "zod";
import type {
  DeployedEventSource,
  DeployedFunction,
  DeployedRule,
  DeployedTaskDefinition,
  RuleTarget,
} from "./deployed-stack.ts";
import type { Reader } from "./reader.ts";

const lambda = "AWS::Lambda::Function";

const FunctionProperties = z.object({
  Handler: z.string(),
  Role: z.string(),
  Timeout: z.coerce.number().default(3),
  MemorySize: z.coerce.number().default(128),
  ReservedConcurrentExecutions: z.coerce.number().optional(),
  RecursiveLoop: z.enum(["Allow", "Terminate"]).default("Terminate"),
  Environment: z.object({ Variables: z.record(z.string(), z.coerce.string()).default({}) }).default({ Variables: {} }),
});

export function readFunctions(reader: Reader, templateDirectory: string): DeployedFunction[] {
  const retries = asyncRetries(reader);
  return reader.ofType(lambda).flatMap(({ id, resource }) => {
    const asset = resource.Metadata["aws:asset:path"];
    // CDK's own helpers (log retention, bucket emptying) carry no asset of ours; nothing calls them here.
    if (typeof asset !== "string") return [];
    const properties = reader.read(id, FunctionProperties);
    return [
      {
        id,
        label: reader.label(id),
        name: reader.name(id),
        arn: reader.arn(id),
        ...handlerFile(resolvePath(templateDirectory, asset), properties.Handler),
        timeoutSeconds: properties.Timeout,
        memoryMb: properties.MemorySize,
        reservedConcurrency: properties.ReservedConcurrentExecutions ?? null,
        environment: properties.Environment.Variables,
        roleId: reader.find("AWS::IAM::Role", properties.Role),
        recursiveLoop: properties.RecursiveLoop,
        asyncRetries: retries.get(id) ?? 2,
      },
    ];
  });
}

/** `index.handler` in a directory: its `index.mjs`, `index.js` or `index.cjs`. */
function handlerFile(directory: string, handler: string): { file: string; exportName: string } {
  const dot = handler.lastIndexOf(".");
  const base = join(directory, handler.slice(0, dot));
  const file = [".mjs", ".js", ".cjs"].map((extension) => base + extension).find((path) => existsSync(path));
  if (file === undefined) throw new Error(`no bundle at ${base}.mjs: run the bundler first`);
  return { file, exportName: handler.slice(dot + 1) };
}

const InvokeConfig = z.object({ FunctionName: z.string(), MaximumRetryAttempts: z.coerce.number().default(2) });

function asyncRetries(reader: Reader): Map<string, number> {
  const configs = reader.ofType("AWS::Lambda::EventInvokeConfig").map(({ id }) => reader.read(id, InvokeConfig));
  return new Map(configs.map((config) => [reader.find(lambda, config.FunctionName), config.MaximumRetryAttempts]));
}

const EventSourceProperties = z.object({
  EventSourceArn: z.string(),
  FunctionName: z.string(),
  Enabled: z.boolean().default(true),
  BatchSize: z.coerce.number().default(10),
  MaximumBatchingWindowInSeconds: z.coerce.number().default(0),
  FunctionResponseTypes: z.array(z.string()).default([]),
  ScalingConfig: z.object({ MaximumConcurrency: z.coerce.number().optional() }).default({}),
});

export function readEventSources(reader: Reader): DeployedEventSource[] {
  return reader.ofType("AWS::Lambda::EventSourceMapping").flatMap(({ id }) => {
    const properties = reader.read(id, EventSourceProperties);
    if (!properties.Enabled) return [];
    return [
      {
        id,
        queueArn: properties.EventSourceArn,
        functionId: reader.find(lambda, properties.FunctionName),
        batchSize: properties.BatchSize,
        windowSeconds: properties.MaximumBatchingWindowInSeconds,
        reportsItemFailures: properties.FunctionResponseTypes.includes("ReportBatchItemFailures"),
        maximumConcurrency: properties.ScalingConfig.MaximumConcurrency ?? null,
      },
    ];
  });
}

export const defaultBus = "default";

const Target = z.object({
  Arn: z.string(),
  Input: z.string().optional(),
  RetryPolicy: z.object({ MaximumRetryAttempts: z.coerce.number().optional() }).default({}),
  SqsParameters: z.object({ MessageGroupId: z.string() }).optional(),
});

const RuleProperties = z.object({
  State: z.string().default("ENABLED"),
  ScheduleExpression: z.string().optional(),
  EventPattern: z.record(z.string(), z.unknown()).optional(),
  EventBusName: z.string().default(defaultBus),
  Targets: z.array(Target).default([]),
});

const ScheduleProperties = z.object({
  State: z.string().default("ENABLED"),
  ScheduleExpression: z.string(),
  Target,
});

function targetOf(reader: Reader, { Arn, SqsParameters }: z.output<typeof Target>): RuleTarget["to"] {
  if (!Arn.includes(":sqs:")) return { kind: "function", functionId: reader.find(lambda, Arn) };
  const queueArn = reader.arn(reader.find("AWS::SQS::Queue", Arn));
  return { kind: "queue", queueArn, group: SqsParameters?.MessageGroupId ?? null };
}

/** EventBridge rules and EventBridge Scheduler's schedules, which differ only in spelling here. */
export function readRules(reader: Reader): DeployedRule[] {
  const target = (each: z.output<typeof Target>): RuleTarget => ({
    to: targetOf(reader, each),
    input: each.Input === undefined ? undefined : (JSON.parse(each.Input) as unknown),
    retries: Math.min(each.RetryPolicy.MaximumRetryAttempts ?? 2, 2),
  });
  const rules = reader.ofType("AWS::Events::Rule").map(({ id }) => {
    const { State, ScheduleExpression, EventPattern, EventBusName, Targets } = reader.read(id, RuleProperties);
    // A bus may be named by its ARN too.
    const bus = EventBusName.split("event-bus/").at(-1) ?? defaultBus;
    return { id, State, ScheduleExpression, EventPattern, bus, Targets };
  });
  const schedules = reader.ofType("AWS::Scheduler::Schedule").map(({ id }) => {
    const { State, ScheduleExpression, Target: only } = reader.read(id, ScheduleProperties);
    return { id, State, ScheduleExpression, EventPattern: undefined, bus: defaultBus, Targets: [only] };
  });
  return [...rules, ...schedules]
    .filter((rule) => rule.State.startsWith("ENABLED"))
    .map((rule) => ({
      id: rule.id,
      name: rule.id,
      bus: rule.bus,
      schedule: rule.ScheduleExpression ?? null,
      pattern: rule.EventPattern ?? null,
      targets: rule.Targets.map(target),
    }));
}

export function readTaskDefinitions(reader: Reader): DeployedTaskDefinition[] {
  return reader.ofType("AWS::ECS::TaskDefinition").map(({ id }) => ({
    id,
    family: reader.name(id),
    arn: reader.ref(id),
    properties: reader.readAll(id),
  }));
}
