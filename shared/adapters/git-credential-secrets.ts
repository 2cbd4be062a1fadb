import { createHash } from "node:crypto";
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { TenantSecrets } from "../ports/git-credentials.ts";

/** The same for the same version: of two writers at once, Secrets Manager takes the text of one. */
function successorOf(version: string): string {
  return createHash("sha256").update(`git credentials after ${version}`).digest("hex");
}

/** One secret for each tenant, under the prefix that the function's role names. */
export function tenantGitSecrets(client: SecretsManagerClient, prefix: string): TenantSecrets {
  const nameOf = (tenantId: string) => `${prefix}${tenantId}`;

  async function create(tenantId: string, SecretString: string): Promise<boolean> {
    const about = { Name: nameOf(tenantId), Description: "Git credentials of one tenant" };
    try {
      await client.send(new CreateSecretCommand({ ...about, SecretString }));
      return true;
    } catch (error) {
      if (error instanceof ResourceExistsException) return false;
      throw error;
    }
  }

  return {
    async read(tenantId) {
      try {
        const { SecretString, VersionId } = await client.send(
          new GetSecretValueCommand({ SecretId: nameOf(tenantId) }),
        );
        if (SecretString === undefined || VersionId === undefined) throw new Error("the tenant's secret holds no text");
        return { text: SecretString, version: VersionId };
      } catch (error) {
        if (error instanceof ResourceNotFoundException) return null;
        throw error;
      }
    },

    async replace(tenantId, replaced, SecretString) {
      if (replaced === null) return create(tenantId, SecretString);
      const ClientRequestToken = successorOf(replaced);
      try {
        await client.send(new PutSecretValueCommand({ SecretId: nameOf(tenantId), SecretString, ClientRequestToken }));
        return true;
      } catch (error) {
        if (error instanceof ResourceExistsException) return false;
        throw error;
      }
    },
  };
}
