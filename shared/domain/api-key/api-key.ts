import type { EntityItem } from "electrodb";
import { apiKeyPrefix, apiKeySecretBytes, formatApiKey, isTouchDue, opens, parseApiKey } from "../../api-key.ts";
import { isConditionFailure } from "../../data/conditions.ts";
import { commit, type CommitDeps, type Entities, type Write } from "../account/commit.ts";
import { holdsActor, readActor } from "../account/membership.ts";
import { holderOf } from "../../data/keys.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { digestOf } from "../../digest.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Cursors } from "../../ports/cursors.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Actor } from "../../ports/tokens.ts";
import type { ApiKey, CreateApiKeyAnswer, CreateApiKeyRequest } from "../../protocol/api-key.ts";
import { ApiKeyId, idPrefixes } from "../../protocol/ids.ts";
import type { Scope } from "../../protocol/permission.ts";
import { revokeConnections, type RevokeDeps } from "../connection/revoke.ts";
import { refusalOf } from "./api-key.decisions.ts";

export interface ApiKeyDeps {
  table: Table;
  clock: Pick<Clock, "now">;
}

type Row = EntityItem<Platform["entities"]["apiKey"]>;

/** A revoked key's row is kept this long, so that revoking it again finishes what was cut off. */
const keepRevokedSeconds = 30 * 24 * 3600;

const timestamp = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());

function toApiKey(row: Row): ApiKey {
  return {
    id: row.key_id,
    prefix: apiKeyPrefix(row.key_id),
    name: row.name,
    scopes: row.scopes as Scope[],
    created_by: row.created_by,
    created_at: new Date(row.created_at).toISOString(),
    last_used_at: timestamp(row.last_used_at),
    expires_at: timestamp(row.ends_at),
  };
}

async function findRow(table: Table, tenant_id: string, key_id: string): Promise<Row | null> {
  const found = await rows(table).entities.apiKey.get({ tenant_id, key_id }).go({ consistent: true });
  return found.data;
}

/** A new key of the actor, and its text, which nobody sees again. Throws `forbidden` and `validation_failed`. */
export async function createApiKey(
  deps: ApiKeyDeps & CommitDeps & { ids: Pick<Ids, "next" | "secret"> },
  actor: Actor,
  input: CreateApiKeyRequest,
): Promise<CreateApiKeyAnswer> {
  const now = deps.clock.now();
  const tenant_id = actor.tenantId;
  const secret = deps.ids.secret(apiKeySecretBytes);
  const row: Row = {
    tenant_id,
    key_id: deps.ids.next(idPrefixes.apiKey),
    name: input.name,
    secret_hash: digestOf(secret),
    scopes: [...new Set(input.scopes)],
    created_by: actor.userId,
    created_at: now,
    ends_at: input.expires_at === null ? undefined : Date.parse(input.expires_at),
  };
  await commit(deps, async () => {
    const [member, maker] = await Promise.all([readActor(deps.table, actor), readMaker(deps.table, actor)]);
    const refusal = refusalOf({ ...actor, role: member.role }, maker?.ends_at, row, now);
    if (refusal) throw refusal;
    return {
      writes: (entities) => [
        entities.apiKey.create(row).commit(),
        holdsActor(entities, actor),
        ...(maker ? [holdsKey(entities, maker)] : []),
      ],
      result: null,
    };
  });
  return { ...toApiKey(row), key: formatApiKey({ tenantId: tenant_id, keyId: row.key_id, secret }) };
}

/** The key that the actor speaks with. Throws `unauthenticated` where it was revoked since the request was let in. */
async function readMaker(table: Table, { tenantId, key }: Actor): Promise<Row | null> {
  if (!key) return null;
  const row = await findRow(table, tenantId, key.id);
  if (!row || row.revoked_at !== undefined) throw new AppError("unauthenticated");
  return row;
}

function holdsKey(entities: Entities, { tenant_id, key_id }: Row): Write {
  return entities.apiKey
    .check({ tenant_id, key_id })
    .where(({ created_at, revoked_at }, { exists, notExists }) => `${exists(created_at)} AND ${notExists(revoked_at)}`)
    .commit();
}

/** Keys that were not revoked, oldest first; one that has ended by its date is among them. */
export async function listApiKeys(
  deps: ApiKeyDeps & { cursors: Cursors },
  tenant_id: string,
  query: { limit: number; cursor?: string | undefined },
): Promise<{ data: ApiKey[]; next_cursor: string | null }> {
  const scope = "api-keys";
  const cursor = query.cursor === undefined ? null : await deps.cursors.open(query.cursor, tenant_id, scope);
  const found = await rows(deps.table)
    .entities.apiKey.query.byTenant({ tenant_id })
    .where(({ revoked_at }, { notExists }) => notExists(revoked_at))
    .go({ limit: query.limit, cursor, consistent: true });
  const next_cursor = found.cursor === null ? null : await deps.cursors.seal(found.cursor, tenant_id, scope);
  return { data: found.data.map(toApiKey), next_cursor };
}

/**
 * From the next call on the key opens nothing, and its sockets are closed. Throws `not_found`. To revoke it again is no
 * error: it closes what an earlier try did not come to.
 */
export async function revokeApiKey(deps: ApiKeyDeps & RevokeDeps, tenant_id: string, key_id: string): Promise<void> {
  const created_by = await markRevoked(deps, tenant_id, key_id);
  if (created_by === null) throw new AppError("not_found");
  await revokeConnections(deps, tenant_id, holderOf(created_by, key_id));
}

/** Whose key it is; null where there is none. */
async function markRevoked(deps: ApiKeyDeps, tenant_id: string, key_id: string): Promise<string | null> {
  if (!ApiKeyId.safeParse(key_id).success) return null;
  const now = deps.clock.now();
  const change = { revoked_at: now, expires_at: Math.floor(now / 1000) + keepRevokedSeconds };
  const { apiKey } = rows(deps.table).entities;
  try {
    const changed = await apiKey.patch({ tenant_id, key_id }).set(change).go({ response: "all_new" });
    return (changed.data as Row).created_by;
  } catch (error) {
    if (isConditionFailure(error)) return null;
    throw error;
  }
}

export interface FoundApiKey {
  tenant_id: string;
  /** Who made it: the membership of this user decides the role. */
  user_id: string;
  key_id: string;
  scopes: Scope[];
  /** A key speaks for the membership that it was made in: one that began later is another. */
  created_at: number;
}

/** The key that this text is, while it is good; null for any other text. Notes at most once a minute that it was used. */
export async function findApiKey(deps: ApiKeyDeps, text: string): Promise<FoundApiKey | null> {
  const parsed = parseApiKey(text);
  if (!parsed) return null;
  const row = await findRow(deps.table, parsed.tenantId, parsed.keyId);
  const now = deps.clock.now();
  if (!row || !opens(row, parsed.secret, now)) return null;
  if (isTouchDue(row, now)) await touch(deps.table, row, now);
  const { tenant_id, created_by: user_id, key_id, created_at } = row;
  return { tenant_id, user_id, key_id, scopes: row.scopes as Scope[], created_at };
}

/** Of many at once one writes. */
async function touch(table: Table, { tenant_id, key_id, last_used_at }: Row, now: number): Promise<void> {
  try {
    await rows(table)
      .entities.apiKey.patch({ tenant_id, key_id })
      .set({ last_used_at: now })
      .where((row, { eq, notExists }) =>
        last_used_at === undefined ? notExists(row.last_used_at) : eq(row.last_used_at, last_used_at),
      )
      .go();
  } catch (error) {
    if (!isConditionFailure(error)) throw error;
  }
}
