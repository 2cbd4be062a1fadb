import { createHash } from "node:crypto";
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { RotatedSecretName, SecretStore } from "../ports/secret-store.ts";

/** The same for the same version: of two runs at once, Secrets Manager takes the text of one. */
function successorOf(versionId: string): string {
  return createHash("sha256").update(`successor of ${versionId}`).digest("hex");
}

/** Without a cache: only the rotation uses it. A put moves AWSCURRENT, and AWSPREVIOUS to what was current. */
export function secretsManagerStore(
  client: SecretsManagerClient,
  secretIds: Readonly<Record<RotatedSecretName, string>>,
): SecretStore {
  return {
    async current(name) {
      const { SecretString, VersionId, CreatedDate } = await client.send(
        new GetSecretValueCommand({ SecretId: secretIds[name] }),
      );
      if (SecretString === undefined || VersionId === undefined || CreatedDate === undefined)
        throw new Error(`the ${name} secret holds no text`);
      return { id: VersionId, text: SecretString, since: CreatedDate.getTime() };
    },

    async replace(name, replaced, text) {
      const ClientRequestToken = successorOf(replaced.id);
      try {
        await client.send(
          new PutSecretValueCommand({ SecretId: secretIds[name], SecretString: text, ClientRequestToken }),
        );
        return true;
      } catch (error) {
        if (error instanceof ResourceExistsException) return false;
        throw error;
      }
    },
  };
}
