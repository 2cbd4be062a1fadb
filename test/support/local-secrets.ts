import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { startAwsEndpoint } from "../../infra/local/aws/endpoint.ts";
import { createSecrets } from "../../infra/local/aws/secrets.ts";
import { createAccessKeys, operatorRole } from "../../infra/local/iam/access-keys.ts";
import type { DeployedSecret } from "../../infra/local/template/deployed-stack.ts";

const generate = {
  length: 64,
  excludeCharacters: "",
  excludePunctuation: true,
  excludeUppercase: false,
  excludeLowercase: false,
  excludeNumbers: false,
  includeSpace: false,
  template: null,
  key: null,
};

const secretNamed = (name: string): DeployedSecret => ({
  id: name,
  label: name,
  name,
  arn: `arn:aws:secretsmanager:us-east-1:000000000000:secret:${name}`,
  generate,
  value: null,
});

/** The one machine's Secrets Manager behind a real client, with versions that are dated by `now`. */
export async function startLocalSecrets(names: readonly string[], now: () => number) {
  const directory = mkdtempSync(join(tmpdir(), "local-secrets-"));
  const file = join(directory, "secrets.json");
  const secrets = names.map(secretNamed);
  const keys = createAccessKeys([operatorRole], () => undefined);

  async function start() {
    const emulated = createSecrets({ secrets, file, given: {}, now });
    const services = { secretsmanager: emulated.service };
    const endpoint = await startAwsEndpoint({ port: 0, keys, services, log: () => undefined, now: Date.now });
    const client = new SecretsManagerClient({
      endpoint: endpoint.url,
      region: "us-east-1",
      credentials: keys.ofRole(operatorRole.id),
      maxAttempts: 1,
    });
    return { emulated, endpoint, client };
  }

  let running = await start();
  const halt = async () => {
    running.client.destroy();
    await running.endpoint.stop();
  };
  return {
    file,
    client: () => running.client,
    valuesOf: (name: string) => running.emulated.valuesOf(name),
    async restart() {
      await halt();
      running = await start();
    },
    async stop() {
      await halt();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export type LocalSecrets = Awaited<ReturnType<typeof startLocalSecrets>>;
