import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { secretReader } from "../../shared/adapters/secrets.ts";
import { joseSandboxTokens } from "../../shared/adapters/tokens-jose.ts";
import { gcmSecretBox } from "../../shared/adapters/secret-box-gcm.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import { derivedBootSecrets } from "../../shared/adapters/derived-keys.ts";
import { publishedKeys } from "../../shared/domain/connection/signing-key.ts";
import type { SandboxFrameDeps } from "../websocket/sandbox-frames.ts";
import { liveGit } from "./git.ts";
import { liveSessions } from "./parts.ts";

export function liveSandbox(): SandboxFrameDeps {
  const env = readEnvironment("sandbox", process.env);
  const sessions = liveSessions("sandbox", env);
  const { table, clock } = sessions;
  const secrets = secretReader(new SecretsManagerClient({}), clock);
  return {
    ...sessions,
    secretBox: gcmSecretBox(secrets.rotated(env.WEBHOOK_SECRET_ID)),
    defaultNetwork: env.SANDBOX_OFFER.defaultNetwork,
    gitHosts: liveGit(env, table, secrets).gitHosts,
    bootSecret: (sessionId, epoch) =>
      derivedBootSecrets(secrets.rotated(env.SANDBOX_SECRET_ID)).derive(sessionId, epoch),
    sandboxTokens: joseSandboxTokens({
      secret: secrets.rotated(env.SANDBOX_SECRET_ID).signing,
      issuer: env.TOKEN_ISSUER,
      clock,
      published: publishedKeys({ table, clock }),
    }),
  };
}
