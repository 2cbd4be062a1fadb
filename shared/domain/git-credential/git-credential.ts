import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import type { EntityItem } from "electrodb";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { TenantSecrets } from "../../ports/git-credentials.ts";
import type { GitHosts } from "../../ports/git-hosts.ts";
import type { Ids } from "../../ports/ids.ts";
import type { GitCredential, PutGitCredentialRequest } from "../../protocol/git-credential.ts";
import { changeKept, keptOf, namesOf, stagedKey, without, type Kept } from "./kept.ts";

export interface CredentialDeps {
  table: Table;
  tenantSecrets: TenantSecrets;
  gitHosts: Pick<GitHosts, "known">;
  clock: Pick<Clock, "now" | "sleep">;
  ids: Pick<Ids, "uuid" | "random">;
}

interface CredentialKey {
  tenant_id: string;
  /** The host's name. */
  host: string;
}

export type CredentialRow = EntityItem<Platform["entities"]["gitCredential"]>;

function timeOf(ms: number): string | null {
  return ms === 0 ? null : new Date(ms).toISOString();
}

function toAnswer(row: CredentialRow): GitCredential {
  const { host, kind, username, app_id, installation_id, hint } = row;
  return {
    host,
    kind,
    username: username || null,
    app_id: app_id || null,
    installation_id: installation_id || null,
    hint,
    created_at: new Date(row.created_at).toISOString(),
    last_used_at: timeOf(row.last_used_at),
    failing_since: timeOf(row.failing_since),
  };
}

export async function findCredentialRow(
  table: Table,
  { tenant_id, host }: CredentialKey,
): Promise<CredentialRow | null> {
  const found = await rows(table).entities.gitCredential.get({ tenant_id, host }).go({ consistent: true });
  return found.data;
}

/** All of a tenant's, at most one for each host of the deployment. */
export async function credentialRows(table: Table, tenant_id: string): Promise<CredentialRow[]> {
  const found = await rows(table).entities.gitCredential.query.byHost({ tenant_id }).go({ pages: "all" });
  return found.data;
}

export async function listCredentials(table: Table, tenant_id: string): Promise<GitCredential[]> {
  return (await credentialRows(table, tenant_id)).map(toAnswer);
}

/** Throws `not_found`. */
export async function readCredential(table: Table, key: CredentialKey): Promise<GitCredential> {
  const row = await findCredentialRow(table, key);
  if (!row) throw new AppError("not_found");
  return toAnswer(row);
}

/** As the host shows it. Throws `validation_failed`, without a word of the key. */
function fingerprintOf(pem: string): string {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType !== "rsa") throw new Error("not RSA");
    const spki = createPublicKey(key).export({ type: "spki", format: "der" });
    return `SHA256:${createHash("sha256").update(spki).digest("base64")}`;
  } catch {
    const issues = [{ path: "body.private_key", message: "is no PEM of an RSA key" }];
    throw new AppError("validation_failed", "The private key cannot be read", { issues });
  }
}

interface Given {
  shown: Pick<CredentialRow, "kind" | "username" | "app_id" | "installation_id" | "hint">;
  kept: Kept;
}

function givenBy(request: PutGitCredentialRequest, revision: string): Given {
  if (request.kind === "token") {
    const { kind, username, token } = request;
    const shown = { kind, username: username ?? "", app_id: "", installation_id: "", hint: token.slice(-4) };
    return { shown, kept: { kind, revision, username, token } };
  }
  const { kind, app_id, installation_id, private_key } = request;
  const hint = fingerprintOf(private_key);
  return {
    shown: { kind, username: "", app_id, installation_id: installation_id ?? "", hint },
    kept: { kind, revision, app_id, installation_id, private_key },
  };
}

const maxTries = 8;
const changing = ({ tenantSecrets: secrets, clock, ids }: CredentialDeps) => ({ secrets, clock, ids });

/** Beside the entry that counts; what was beside it before is of those who died, or lose to this one. */
async function stage(deps: CredentialDeps, { tenant_id, host }: CredentialKey, kept: Kept): Promise<string[]> {
  const own = stagedKey(host, kept.revision);
  let others: string[] = [];
  await changeKept(changing(deps), tenant_id, (all) => {
    others = namesOf(all, host).filter((name) => name !== own);
    return { ...all, [own]: kept };
  });
  return others;
}

/** False where the row is another than was read. */
async function switchRow(table: Table, row: CredentialRow, before: CredentialRow | null): Promise<boolean> {
  const { gitCredential } = rows(table).entities;
  try {
    const { tenant_id, host, ...facts } = row;
    if (!before) await gitCredential.create(row).go();
    else
      await gitCredential
        .patch({ tenant_id, host })
        .set(facts)
        .where(({ revision }, { eq }) => eq(revision, before.revision))
        .go();
    return true;
  } catch (error) {
    if (isConditionFailure(error)) return false;
    throw error;
  }
}

/** The row names it: what it came after goes. */
async function settle(deps: CredentialDeps, key: CredentialKey, kept: Kept, others: string[]): Promise<void> {
  const { tenant_id, host } = key;
  const own = stagedKey(host, kept.revision);
  await changeKept(changing(deps), tenant_id, async (all) => {
    const row = await findCredentialRow(deps.table, key);
    if (row?.revision !== kept.revision) return without(all, [own]);
    return { ...without(all, [own, ...others]), [host]: kept };
  });
}

/**
 * Replaces the tenant's credential for a host. The secret holds both until the row names the new one's revision, so that one
 * of them counts wherever this ends. Throws `not_found` for a host that is none of this deployment's, `validation_failed`
 * where it takes none, `busy`.
 */
export async function putCredential(
  deps: CredentialDeps,
  key: CredentialKey,
  user_id: string,
  request: PutGitCredentialRequest,
): Promise<GitCredential> {
  const host = deps.gitHosts.known(key.host);
  if (!host) throw new AppError("not_found", "There is no such git host here");
  const wrong = (path: string, message: string) =>
    new AppError("validation_failed", `${key.host} ${message}`, { issues: [{ path, message }] });
  if (host.isBuiltIn) throw wrong("body", "signs its own credentials");
  if (request.kind === "github_app" && host.kind !== "github") throw wrong("body.kind", "is no GitHub");
  const revision = deps.ids.uuid();
  const { shown, kept } = givenBy(request, revision);
  const times = { created_at: deps.clock.now(), last_used_at: 0, failing_since: 0 };
  const row: CredentialRow = { ...key, origin: host.origin, ...shown, revision, created_by: user_id, ...times };
  for (let attempt = 0; attempt < maxTries; attempt += 1) {
    const before = await findCredentialRow(deps.table, key);
    const others = await stage(deps, key, kept);
    if (await switchRow(deps.table, row, before)) {
      await settle(deps, key, kept, others);
      return toAnswer(row);
    }
    await deps.clock.sleep(deps.ids.random() * 20 * 2 ** attempt);
  }
  throw new AppError("busy");
}

/** Null where there is none. */
async function removeRow(table: Table, { tenant_id, host }: CredentialKey): Promise<CredentialRow | null> {
  try {
    const removed = await rows(table).entities.gitCredential.remove({ tenant_id, host }).go({ response: "all_old" });
    return removed.data as CredentialRow;
  } catch (error) {
    if (isConditionFailure(error)) return null;
    throw error;
  }
}

/**
 * From its row's end on nobody uses it; then its secret goes, also where whoever deleted it before died in between. Throws
 * `not_found`.
 */
export async function deleteCredential(deps: CredentialDeps, key: CredentialKey): Promise<void> {
  const { tenant_id, host } = key;
  const removed = await removeRow(deps.table, key);
  await changeKept(changing(deps), tenant_id, async (all) => {
    const given = await findCredentialRow(deps.table, key);
    const stays = given && keptOf(all, host, given.revision);
    const others = without(all, namesOf(all, host));
    return stays ? { ...others, [host]: stays } : others;
  });
  if (!removed) throw new AppError("not_found");
}
