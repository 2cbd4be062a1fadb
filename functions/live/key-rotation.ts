import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { signingPair } from "../../shared/adapters/derived-keys.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { secretsManagerStore } from "../../shared/adapters/secret-store-secrets-manager.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import type { RotationDeps } from "../../shared/domain/connection/rotate-keys.ts";
import { liveLog, liveTable } from "./parts.ts";

export function liveKeyRotation(): RotationDeps {
  const env = readEnvironment("keyRotation", process.env);
  return {
    table: liveTable(env),
    clock: systemClock,
    ids: randomIds,
    store: secretsManagerStore(new SecretsManagerClient({}), {
      user: env.USER_SECRET_ID,
      sandbox: env.SANDBOX_SECRET_ID,
      preview: env.PREVIEW_SECRET_ID,
      git: env.GIT_SECRET_ID,
    }),
    publicKey: async (text, use) => (await signingPair(text, use)).publicKey,
    log: liveLog("key-rotation"),
  };
}
