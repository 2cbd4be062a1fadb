import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { startAwsEndpoint } from "./aws/endpoint.ts";
import { createLambdaApi } from "./aws/lambda-api.ts";
import type { AwsService, InvokeOutcome, Running } from "./contract.ts";
import { localiseAll, type LocalAddresses } from "./dns.ts";
import { createAccessKeys, operatorRole, type AccessKey } from "./iam/access-keys.ts";
import type { LambdaHost } from "./lambda/host.ts";
import { functionVariables } from "./lambda/variables.ts";
import { openLogFiles } from "./log-files.ts";
import type { RehearsalModel } from "./model/server.ts";
import { startApis, type RunningApis } from "./platform-apis.ts";
import { createEventsApi } from "./events/put-events.ts";
import { startContainers, startEvents } from "./platform-events.ts";
import { defaultPorts, listening, portsOf, type PlatformOptions } from "./platform-options.ts";
import { denialLine, logger, loggedHost } from "./platform-logs.ts";
import { startModel, startStores, type Keep } from "./platform-stores.ts";
import { killSandboxes } from "./sandbox-processes.ts";
import { lockState } from "./state-lock.ts";
import type { DeployedFunction, DeployedStack } from "./template/deployed-stack.ts";
import { readStack } from "./template/read-stack.ts";

/** The whole stack on this machine. Functions are named by their construct id: `Http`, `Turn`. */
export interface Platform extends Running {
  httpUrl: string;
  webSocketUrl: string;
  previewUrl: string;
  gitHostUrl: string;
  /** The git host's bare repositories, `{owner}/{name}.git`. */
  gitDir: string;
  modelUrl: string;
  awsUrl: string;
  stateDir: string;
  stack: DeployedStack;
  /** May do everything at the AWS endpoint. */
  operatorKey: AccessKey;
  /** Null where another model answers. */
  rehearsal: RehearsalModel | null;
  /** How containers are kept apart on this machine, one sentence each. */
  isolation: string[];
  /** Ends a busy execution environment (of this function, or of any) in the middle of its event. False where none is busy. */
  kill(label?: string): boolean;
  /** Kills every sandbox at once, as a machine that fails would. Answers how many containers. */
  killContainers(): number;
  invoke(label: string, event: unknown): Promise<InvokeOutcome>;
  /** Runs a function now as its schedule does: `Sweeper`. */
  runSchedule(label: string): void;
  /** Resident memory of this process, functions included and containers not, in bytes. */
  memory(): { residentBytes: number; environments: ReturnType<LambdaHost["environments"]> };
}

/** How long functions may finish what they do when the platform stops. */
const drainMs = 1000;

/** Starts everything that the template deploys. Throws `StateInUse`, `PortTaken`, or an error that names what is missing. */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const started: Running[] = [];
  const unlock = lockState(options.stateDir);
  started.push({ stop: async () => unlock() });
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= stopAll(started));
  try {
    return { ...(await assemble(options, started)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function stopAll(started: Running[]): Promise<void> {
  for (const running of started.toReversed()) await running.stop();
}

async function assemble(options: PlatformOptions, started: Running[]): Promise<Omit<Platform, "stop">> {
  const keep: Keep = (running) => (started.push(running), running);
  const core = await startCore(options, keep);
  const { stack, host, keys, stores, apis, files, log } = core;
  const scheduleScale = options.scheduleScale ?? 1;
  const events = startEvents({ stack, host, queues: stores.queues, keys, scheduleScale, log, keep });
  const definitions = localiseAll(stack.taskDefinitions, core.addresses);
  const containers = keep(await startContainers(options, definitions, stack, files, events));
  core.services["ecs"] = containers.service;
  core.services["events"] = createEventsApi(stack.eventBuses, events, (line) => files.write("events", line));
  const idOf = (label: string) => functionIdOf(stack, label);
  return {
    httpUrl: apis.httpUrl,
    webSocketUrl: apis.webSocketUrl,
    previewUrl: apis.previewUrl,
    gitHostUrl: stores.gitHostUrl,
    gitDir: stores.gitDir,
    modelUrl: core.model.url,
    awsUrl: core.addresses.awsEndpoint,
    stateDir: options.stateDir,
    stack,
    operatorKey: keys.ofRole(operatorRole.id),
    rehearsal: core.model.rehearsal,
    isolation: containers.description,
    kill: (label) => host.kill(label === undefined ? undefined : idOf(label)),
    killContainers: killSandboxes,
    invoke: (label, event) => host.invoke(idOf(label), event),
    runSchedule: (label) => events.trigger(idOf(label)),
    memory: () => ({ residentBytes: process.memoryUsage.rss(), environments: host.environments() }),
  };
}

/** What answers requests: stores, functions, the AWS endpoint and the APIs. Nothing in it runs by itself yet. */
async function startCore(options: PlatformOptions, keep: Keep) {
  const ports = portsOf(options);
  const stack = readStack(options.templateDir);
  const files = openLogFiles(join(options.stateDir, "logs"));
  keep({ stop: () => files.close() });
  const log = logger(files, options.log);
  const keys = createAccessKeys([...stack.roles, operatorRole], (denial) => log("denied", denialLine(denial)));
  const model = await startModel(options, ports, keep);
  const stores = await startStores(options, ports, stack, keep);
  const known: { addresses: LocalAddresses | null } = { addresses: null };
  const variables = (of: DeployedFunction) => {
    if (known.addresses === null) throw new Error("a function was started before the platform's addresses were known");
    const where = { ...known.addresses, modelUrl: options.model === "claude" ? null : model.url };
    return functionVariables(of, localiseAll(of.environment, known.addresses), keys.ofRole(of.roleId), where);
  };
  const host = keep(loggedHost(options, stack, files, log, variables));
  const lambda = createLambdaApi({ functions: stack.functions, ...host });
  const services: Record<string, AwsService> = { ...stores.services, lambda };
  const logAws = (line: string) => log("aws", line);
  const aws = { port: ports.aws, keys, services, log: logAws, now: systemClock.now };
  const endpoint = keep(await listening(ports.aws, "AWS endpoint", () => startAwsEndpoint(aws)));
  keep({ stop: () => drain(host) });
  const { authenticate } = endpoint;
  const apis = await startApis({
    stack,
    ports,
    functions: host,
    authenticate,
    onFrame: options.onFrame,
    started: keep,
  });
  const addresses = addressesOf(apis, endpoint.url, stores.gitHostUrl, model.url);
  known.addresses = addresses;
  return { stack, files, log, keys, model, stores, host, services, apis, addresses };
}

function addressesOf(apis: RunningApis, awsEndpoint: string, gitHostUrl: string, modelUrl: string): LocalAddresses {
  const portOf = (url: string) => Number(new URL(url).port);
  const ports = {
    [defaultPorts.http]: portOf(apis.httpUrl),
    [defaultPorts.webSocket]: portOf(apis.webSocketUrl),
    [defaultPorts.preview]: portOf(apis.previewUrl),
    [defaultPorts.aws]: portOf(awsEndpoint),
    [defaultPorts.git]: portOf(gitHostUrl),
  };
  const { httpApis, webSocketApis } = apis;
  return {
    httpApis,
    webSocketApis,
    awsEndpoint,
    ports: { ...ports, ...(modelUrl.startsWith("http:") ? { [defaultPorts.model]: portOf(modelUrl) } : {}) },
  };
}

function functionIdOf(stack: DeployedStack, label: string): string {
  const found = stack.functions.find((each) => each.label === label);
  if (found === undefined) throw new Error(`no function ${label} in the template`);
  return found.id;
}

/** Lets what runs come to its end, for a while: a container's last event, a connection's `$disconnect`. */
async function drain(host: LambdaHost): Promise<void> {
  const until = Date.now() + drainMs;
  const isBusy = () => host.environments().some((each) => each.busy > 0);
  while (isBusy() && Date.now() < until) await pause(10);
}
