import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { ModelNaming } from "../../shared/adapters/naming-model.ts";
import { modelKey, secretReader } from "../../shared/adapters/secrets.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import type { Naming } from "../../shared/ports/naming.ts";

/** Composition root of the naming function. */
export function liveNaming(values: Record<string, string | undefined> = process.env): { naming: Naming } {
  const environment = readEnvironment("naming", values);
  const secrets = secretReader(new SecretsManagerClient({}), Date);
  const apiKey = modelKey(secrets, environment.MODEL_SECRET_ID);
  return { naming: new ModelNaming({ apiKey, model: environment.NAMING_MODEL }) };
}
