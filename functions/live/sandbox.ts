import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { httpGitHosts } from "../../shared/adapters/git-hosts-http.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { secretReader } from "../../shared/adapters/secrets.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { joseSandboxTokens } from "../../shared/adapters/tokens-jose.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import { publishedKeys } from "../../shared/domain/connection/signing-key.ts";
import type { SandboxFrameDeps } from "../websocket/sandbox-frames.ts";
import { liveLog, liveObjects, liveQueue, liveSockets, liveTable } from "./parts.ts";

export function liveSandbox(): SandboxFrameDeps {
  const env = readEnvironment("sandbox", process.env);
  const log = liveLog("sandbox");
  const clock = systemClock;
  const table = liveTable(env.TABLE_NAME, new DynamoDBClient({}));
  const secrets = secretReader(new SecretsManagerClient({}), clock);
  return {
    table,
    objects: liveObjects(env.BUCKET_NAME),
    sockets: liveSockets(env.CONNECTIONS_URL, log),
    queue: liveQueue(env.WORK_QUEUE_URL),
    clock,
    ids: randomIds,
    log,
    gitHosts: httpGitHosts({ hosts: env.GIT_HOSTS, clock: systemClock, secret: () => secrets.text(env.GIT_SECRET_ID) }),
    sandboxTokens: joseSandboxTokens({
      secret: () => secrets.text(env.SANDBOX_SECRET_ID),
      issuer: env.TOKEN_ISSUER,
      clock,
      published: publishedKeys({ table, clock }),
    }),
  };
}
