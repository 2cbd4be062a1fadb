import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { GitCredentials, TenantSecrets } from "../../ports/git-credentials.ts";
import { credentialRows, findCredentialRow, type CredentialRow } from "./git-credential.ts";
import { keptOf, parseKept, type AllKept } from "./kept.ts";

export interface UseDeps {
  table: Table;
  tenantSecrets: TenantSecrets;
  clock: Pick<Clock, "now">;
}

/** How long a process keeps a tenant's secret; a credential that was replaced is seen by its row at once. */
const keptForMs = 5 * 60_000;
const maxTenants = 1000;
/** Uses are told by the hour: each push would be a write. */
const usedEveryMs = 3_600_000;

async function change(
  table: Table,
  { tenant_id, host, revision }: CredentialRow,
  to: Partial<CredentialRow>,
): Promise<void> {
  try {
    await rows(table)
      .entities.gitCredential.patch({ tenant_id, host })
      .set(to)
      .where((at, { eq }) => eq(at.revision, revision))
      .go();
  } catch (error) {
    if (!isConditionFailure(error)) throw error;
  }
}

async function noteRefusal(deps: Pick<UseDeps, "table" | "clock">, row: CredentialRow): Promise<void> {
  if (row.failing_since === 0) await change(deps.table, row, { failing_since: deps.clock.now() });
}

/** A push was refused: the credential of the repository's host shows it. */
export async function noteRefusedPush(
  deps: Pick<UseDeps, "table" | "clock">,
  tenant_id: string,
  repoUrl: string,
): Promise<void> {
  const { origin } = new URL(repoUrl);
  const row = (await credentialRows(deps.table, tenant_id)).find((one) => new URL(one.origin).origin === origin);
  if (row) await noteRefusal(deps, row);
}

/** The tenants' credentials as the platform uses them. */
export function tenantCredentials(deps: UseDeps): GitCredentials {
  const known = new Map<string, { readAt: number; all: AllKept }>();

  async function read(tenantId: string): Promise<AllKept> {
    const secret = await deps.tenantSecrets.read(tenantId);
    const all = secret ? parseKept(secret.text) : {};
    if (known.size >= maxTenants) known.clear();
    known.set(tenantId, { readAt: deps.clock.now(), all });
    return all;
  }

  async function entryOf({ tenant_id, host, revision }: CredentialRow) {
    const cached = known.get(tenant_id);
    const isFresh = cached !== undefined && deps.clock.now() - cached.readAt < keptForMs;
    const first = isFresh ? keptOf(cached.all, host, revision) : null;
    return first ?? keptOf(await read(tenant_id), host, revision);
  }

  return {
    async find(tenant_id, host) {
      const row = await findCredentialRow(deps.table, { tenant_id, host });
      const entry = row && (await entryOf(row));
      if (!row || !entry) return null;
      const now = deps.clock.now();
      if (now - row.last_used_at >= usedEveryMs) await change(deps.table, row, { last_used_at: now });
      const { revision: _revision, ...credential } = entry;
      return credential;
    },

    async refused(tenant_id, host) {
      const row = await findCredentialRow(deps.table, { tenant_id, host });
      if (row) await noteRefusal(deps, row);
    },
  };
}
