import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import type { SandboxFrameDeps } from "../../../functions/websocket/sandbox-frames.ts";
import type { ClientFrameDeps } from "../../../functions/websocket/client-frames.ts";
import type { StepDeps } from "../../../shared/agent/step-deps.ts";
import { fakeDoor } from "../../support/fakes.ts";
import { plansOf } from "../../../shared/config/plans.ts";
import type { Table } from "../../../shared/data/service.ts";
import type { SweepDeps } from "../../../shared/domain/turn/sweep.ts";
import type { Log } from "../../../shared/ports/log.ts";
import type { World } from "./world.ts";

export type StageDeps = StepDeps & SandboxFrameDeps & ClientFrameDeps & SweepDeps;

interface Command {
  constructor: { name: string };
  input: unknown;
}

/**
 * What every process is given, once per Node process: building ElectroDB's service takes longer than a schedule. It
 * plays whichever world is set.
 */
export class Stage {
  readonly deps: StageDeps;
  private played: World | null = null;

  /** `hear` is told of each request of the table. */
  constructor(hear: (name: string, input: unknown) => void = () => undefined) {
    this.deps = depsOf(() => this.world, hear);
  }

  get world(): World {
    if (!this.played) throw new Error("no world is played");
    return this.played;
  }

  play(world: World): void {
    this.played = world;
  }
}

function tableOf(world: () => World, hear: (name: string, input: unknown) => void): Table {
  const send = ({ constructor, input }: Command) => {
    hear(constructor.name, input);
    return world().table.send(constructor.name, input);
  };
  return { client: { send } as unknown as DynamoDBDocumentClient, name: "sandbox" };
}

function logOf(world: () => World): Log {
  const say =
    (level: string) =>
    (message: string, fields: { code?: string; error?: string } = {}) => {
      const { kernel } = world();
      if (kernel.trace) kernel.note(`${level}: ${message} ${fields.code ?? ""} ${fields.error ?? ""}`, kernel.current);
    };
  return { info: () => undefined, warn: say("warns"), error: say("errs") };
}

function depsOf(world: () => World, hear: (name: string, input: unknown) => void): StageDeps {
  return {
    table: tableOf(world, hear),
    clock: {
      now: () => Math.floor(world().kernel.now + world().kernel.current.skewMs),
      sleep: (ms) => world().kernel.sleep(ms),
    },
    ids: {
      next: (prefix) => world().ids.next(prefix),
      uuid: () => world().ids.uuid(),
      secret: (bytes) => world().ids.secret(bytes),
      random: () => world().ids.random(),
    },
    queue: { send: (wakeUp, delaySeconds = 0) => world().queue.send(wakeUp, delaySeconds) },
    sockets: {
      post: (connectionId, message) => world().wire.post(connectionId, message),
      close: (connectionId) => world().wire.close(connectionId),
    },
    objects: {
      put: (key, body) => world().objects.put(key, body),
      get: (key) => world().objects.get(key),
      head: (key) => world().objects.head(key),
      presignGet: async (key) => `https://objects.test/${key}`,
      presignPut: async (key) => ({ url: `https://objects.test/${key}`, headers: {} }),
    },
    provider: {
      capabilities: { networkPolicies: ["open"] },
      launch: (request) => world().provider.launch(request),
      stop: (taskId) => world().provider.stop(taskId),
      describe: async () => "running",
    },
    door: fakeDoor(),
    model: { stream: (request, signal) => world().model.stream(request, signal) },
    gitHosts: { mintPush: async () => ({ username: "sandbox", password: "push" }), mintRead: async () => null },
    jobs: { send: async () => undefined },
    sandboxTokens: {
      mint: async () => ({ token: "token", expiresInSeconds: 900 }),
      verify: async () => {
        throw new Error("not simulated");
      },
    } as unknown as StageDeps["sandboxTokens"],
    log: logOf(world),
    plans: plansOf({ DEFAULT_PLAN: "unlimited" }),
    turnModel: "rehearsal",
    system: "You are a simulation.",
    tools: [],
    contextTokens: () => null,
    get transcripts() {
      return world().environments.of(world().kernel.current);
    },
    price: (usage) => usage.input_tokens * 2 + usage.output_tokens * 10,
    bootSecret: async (sessionId, epoch) => `boot-${sessionId}-${epoch}`,
    secretBox: { seal: async (text) => text, open: async (sealed) => sealed },
    defaultNetwork: "open",
  };
}
