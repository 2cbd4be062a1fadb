import { join } from "node:path";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { createQueues, type Queues } from "./aws/queues.ts";
import { createSecrets } from "./aws/secrets.ts";
import type { AwsService, Running } from "./contract.ts";
import { startGitHost } from "./git-host/git-host.ts";
import { startRehearsalModel, type RehearsalModel } from "./model/server.ts";
import { createObjects } from "./objects/objects.ts";
import { listening, type PlatformOptions, type PlatformPorts } from "./platform-options.ts";
import { createTables } from "./tables/tables.ts";
import type { DeployedStack } from "./template/deployed-stack.ts";

export type Keep = <T extends Running>(running: T) => T;

export interface Stores {
  services: Record<string, AwsService>;
  queues: Queues;
  gitHostUrl: string;
  /** Where the git host keeps its repositories. */
  gitDir: string;
}

/** The rehearsal model needs no key; whoever asks for its address gets a text that is clearly none. */
const rehearsalKey = "rehearsal";

/** What keeps state: tables, objects, secrets and repositories on disk, queues in memory. */
export async function startStores(
  options: PlatformOptions,
  ports: PlatformPorts,
  stack: DeployedStack,
  keep: Keep,
): Promise<Stores> {
  const { stateDir } = options;
  const queues = keep(createQueues(stack.queues));
  const secrets = createSecrets({
    secrets: stack.secrets,
    file: join(stateDir, "secrets.json"),
    given: { ModelSecret: JSON.stringify({ api_key: options.modelApiKey ?? rehearsalKey }) },
    now: systemClock.now,
  });
  const definitions = stack.tables.map((table) => table.definition);
  const tables = keep(await createTables({ path: join(stateDir, "tables"), tables: definitions, clock: systemClock }));
  const objects = createObjects({ directory: join(stateDir, "objects"), buckets: stack.buckets });
  const gitDir = join(stateDir, "git");
  const gitSecrets = async () => secrets.valuesOf("GitSecret");
  const gitHost = keep(
    await listening(ports.git, "git host", () =>
      startGitHost({ port: ports.git, directory: gitDir, secrets: gitSecrets }),
    ),
  );
  return {
    services: { sqs: queues.service, secretsmanager: secrets.service, dynamodb: tables.service, s3: objects.service },
    queues,
    gitHostUrl: gitHost.url,
    gitDir,
  };
}

/** Starts the rehearsal model, where that is the one that answers. */
export async function startModel(
  options: PlatformOptions,
  ports: PlatformPorts,
  keep: Keep,
): Promise<{ url: string; rehearsal: RehearsalModel | null }> {
  if (options.model === "claude") return { url: "https://api.anthropic.com", rehearsal: null };
  if (options.model !== "rehearsal") return { url: options.model.baseUrl, rehearsal: null };
  const rehearsal = keep(
    await listening(ports.model, "rehearsal model", () => startRehearsalModel({ port: ports.model })),
  );
  return { url: rehearsal.url, rehearsal };
}
