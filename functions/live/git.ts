import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { tenantGitSecrets } from "../../shared/adapters/git-credential-secrets.ts";
import { httpGitHosts } from "../../shared/adapters/git-hosts-http.ts";
import type { SecretReader } from "../../shared/adapters/secrets.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import type { GitHost } from "../../shared/config/env.ts";
import type { Table } from "../../shared/data/service.ts";
import { tenantCredentials } from "../../shared/domain/git-credential/use.ts";

interface GitEnvironment {
  GIT_HOSTS: GitHost[];
  GIT_SECRET_ID: string;
  GIT_CREDENTIALS_PREFIX: string;
}

/** Git hosts, with the tenants' own credentials for them. */
export function liveGit(env: GitEnvironment, table: Table, secrets: SecretReader) {
  const tenantSecrets = tenantGitSecrets(new SecretsManagerClient({}), env.GIT_CREDENTIALS_PREFIX);
  const options = {
    hosts: env.GIT_HOSTS,
    clock: systemClock,
    secret: secrets.rotated(env.GIT_SECRET_ID).signing,
    credentials: tenantCredentials({ table, tenantSecrets, clock: systemClock }),
  };
  return { tenantSecrets, options, gitHosts: httpGitHosts(options) };
}
