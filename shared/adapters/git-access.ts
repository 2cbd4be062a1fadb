import type { GitHost } from "../config/env.ts";
import { pushTokenKey, pushUsername, repositoryOf, signPushToken } from "../git-push-token.ts";
import type { Clock } from "../ports/clock.ts";
import type { GitCredentials, KeptCredential } from "../ports/git-credentials.ts";
import type { PushCredential } from "../ports/git-hosts.ts";
import type { AddressesOf } from "./guarded-dial.ts";
import { CredentialRefused, installationToken, type AppPermissions } from "./git-github-app.ts";
import { apiOf, kindOf, tokenUsernames } from "./git-host-kind.ts";

export interface GitAccessOptions {
  /** The text of the git secret; asked for only where a push is signed. */
  secret: () => Promise<string>;
  clock: Pick<Clock, "now">;
  /** The tenants' own. Default: none has any. */
  credentials?: GitCredentials | undefined;
  addressesOf: AddressesOf;
}

export interface Wanted {
  host: GitHost;
  url: URL;
  tenantId: string;
  permissions: AppPermissions;
}

const signedForMs = 3_600_000;
const apiDeadlineMs = 5_000;

const sameOwner = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();

/** A signed host's repositories belong to the tenant that their owner is named after, or to everybody where the stage says so. */
function mayPush({ sharedOwners = [] }: GitHost, repository: string, tenantId: string): boolean {
  const [owner = ""] = repository.split("/");
  return [tenantId, ...sharedOwners].some((allowed) => sameOwner(allowed, owner));
}

/** Of the tenant alone: what others share may be private to them. */
function mayRead(_host: GitHost, repository: string, tenantId: string): boolean {
  return sameOwner(repository.split("/")[0] ?? "", tenantId);
}

async function sign({ secret, clock }: GitAccessOptions, repository: string): Promise<PushCredential> {
  const key = pushTokenKey(await secret());
  const expiresAtMs = clock.now() + signedForMs;
  return { username: pushUsername, password: signPushToken(key, { repository, expiresAtMs }) };
}

async function fromKept(
  options: GitAccessOptions,
  kept: KeptCredential,
  wanted: Wanted,
): Promise<PushCredential | null> {
  const { host, url, permissions } = wanted;
  if (kept.kind === "token") {
    return { username: kept.username ?? tokenUsernames[kindOf(host)], password: kept.token };
  }
  const api = apiOf(host);
  const repository = repositoryOf(url);
  if (api === null || repository === null) return null;
  const through = { allowPrivate: host.allowPrivate, addressesOf: options.addressesOf, deadlineMs: apiDeadlineMs };
  const password = await installationToken(kept, { api, repository, permissions }, options.clock, through);
  return { username: tokenUsernames.github, password };
}

/** What the host takes for this repository; null where the tenant has nothing for it. Throws `CredentialRefused`. */
export async function mintAccess(options: GitAccessOptions, wanted: Wanted): Promise<PushCredential | null> {
  const { host, url, tenantId, permissions } = wanted;
  if (host.push === "signed") {
    const repository = repositoryOf(url);
    const may = permissions["contents"] === "write" ? mayPush : mayRead;
    return repository !== null && may(host, repository, tenantId) ? sign(options, repository) : null;
  }
  const kept = await options.credentials?.find(tenantId, host.name);
  if (!kept) return null;
  try {
    return await fromKept(options, kept, wanted);
  } catch (error) {
    if (error instanceof CredentialRefused) await options.credentials?.refused(tenantId, host.name);
    throw error;
  }
}
