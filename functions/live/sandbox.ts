import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { httpGitHosts } from "../../shared/adapters/git-hosts-http.ts";
import { secretReader } from "../../shared/adapters/secrets.ts";
import { joseSandboxTokens } from "../../shared/adapters/tokens-jose.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import { publishedKeys } from "../../shared/domain/connection/signing-key.ts";
import type { SandboxFrameDeps } from "../websocket/sandbox-frames.ts";
import { liveSessions } from "./parts.ts";

export function liveSandbox(): SandboxFrameDeps {
  const env = readEnvironment("sandbox", process.env);
  const sessions = liveSessions("sandbox", env);
  const { table, clock } = sessions;
  const secrets = secretReader(new SecretsManagerClient({}), clock);
  return {
    ...sessions,
    gitHosts: httpGitHosts({ hosts: env.GIT_HOSTS, clock, secret: secrets.rotated(env.GIT_SECRET_ID).signing }),
    sandboxTokens: joseSandboxTokens({
      secret: secrets.rotated(env.SANDBOX_SECRET_ID).signing,
      issuer: env.TOKEN_ISSUER,
      clock,
      published: publishedKeys({ table, clock }),
    }),
  };
}
