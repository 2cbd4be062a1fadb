import type { EntityItem } from "electrodb";
import type * as z from "zod";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { digestOf, equalSecrets } from "../../digest.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Cursors } from "../../ports/cursors.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Actor } from "../../ports/tokens.ts";
import { idPrefixes, InviteId } from "../../protocol/ids.ts";
import type { CreateInviteAnswer, CreateInviteRequest, Invite } from "../../protocol/member.ts";
import { roleMay } from "../../protocol/permission.ts";
import { commit, type CommitDeps } from "./commit.ts";
import type { Entry } from "./entry.ts";
import { findMember, findTenant, holdsRole, type Member, readPermitted } from "./membership.ts";

type InviteRow = EntityItem<Platform["entities"]["invite"]>;

const inviteSeconds = 7 * 24 * 60 * 60;
const secretBytes = 32;

/** `inv_<ULID of the invite><ULID of the tenant>_<secret>`: it says by itself where its row is. */
const tokenPattern = /^inv_([0-9A-HJKMNP-TV-Z]{26})([0-9A-HJKMNP-TV-Z]{26})_([A-Za-z0-9_-]{43})$/;

const ulidOf = (id: string) => id.slice(id.indexOf("_") + 1);

function toInvite(row: InviteRow): z.infer<typeof Invite> {
  return {
    id: row.invite_id,
    role: row.role,
    email: row.email ?? null,
    invited_by: row.invited_by,
    created_at: new Date(row.created_at).toISOString(),
    expires_at: new Date(row.expires_at * 1000).toISOString(),
  };
}

/** Whether a member may hand out this role: also asked when the invite is taken, since an invite ends with that right. */
function mayInvite(member: Pick<Member, "role">, role: InviteRow["role"]): boolean {
  return roleMay(member.role, "member.manage") && (role !== "owner" || member.role === "owner");
}

/** The answer's token is shown once: only its hash is kept. */
export async function createInvite(
  deps: CommitDeps & { clock: Pick<Clock, "now" | "sleep">; ids: Pick<Ids, "next" | "secret" | "random"> },
  actor: Actor,
  { role, email }: z.infer<typeof CreateInviteRequest>,
): Promise<z.infer<typeof CreateInviteAnswer>> {
  const now = deps.clock.now();
  const secret = deps.ids.secret(secretBytes);
  const row = {
    tenant_id: actor.tenantId,
    invite_id: deps.ids.next(idPrefixes.invite),
    secret_hash: digestOf(secret),
    role,
    ...(email === null ? {} : { email }),
    invited_by: actor.userId,
    created_at: now,
    expires_at: Math.floor(now / 1000) + inviteSeconds,
  };
  await commit(deps, async () => {
    const by = await readPermitted(deps.table, actor, "member.manage");
    if (!mayInvite(by, role)) throw new AppError("forbidden", "Only an owner makes owners");
    return {
      writes: (entities) => [entities.invite.create(row).commit(), holdsRole(entities, by)],
      result: undefined,
    };
  });
  return { ...toInvite(row), token: `${row.invite_id}${ulidOf(row.tenant_id)}_${secret}` };
}

/** Those that can still be taken, oldest first. */
export async function listInvites(
  deps: { table: Table; cursors: Cursors; clock: Pick<Clock, "now"> },
  tenant_id: string,
  query: { limit: number; cursor?: string | undefined },
) {
  const scope = "invites";
  const cursor = query.cursor === undefined ? null : await deps.cursors.open(query.cursor, tenant_id, scope);
  const nowSeconds = deps.clock.now() / 1000;
  const found = await rows(deps.table)
    .entities.invite.query.byTenant({ tenant_id })
    .where(({ expires_at }, { gt }) => gt(expires_at, nowSeconds))
    .go({ limit: query.limit, cursor, consistent: true });
  const next_cursor = found.cursor ? await deps.cursors.seal(found.cursor, tenant_id, scope) : null;
  return { data: found.data.map(toInvite), next_cursor };
}

/** Throws `not_found` where there is none to revoke. */
export async function revokeInvite(table: Table, tenant_id: string, invite_id: string): Promise<void> {
  if (!InviteId.safeParse(invite_id).success) throw new AppError("not_found");
  try {
    await rows(table).entities.invite.remove({ tenant_id, invite_id }).go();
  } catch (error) {
    if (isConditionFailure(error)) throw new AppError("not_found", undefined, { cause: error });
    throw error;
  }
}

async function findInvite(table: Table, token: string, nowSeconds: number): Promise<InviteRow | null> {
  const [, invite, tenant, secret] = tokenPattern.exec(token) ?? [];
  if (!invite || !tenant || !secret) return null;
  const key = { tenant_id: `ten_${tenant}`, invite_id: `inv_${invite}` };
  const { data } = await rows(table).entities.invite.get(key).go({ consistent: true });
  if (!data || data.expires_at <= nowSeconds) return null;
  return equalSecrets(data.secret_hash, digestOf(secret)) ? data : null;
}

/**
 * The way that an invite is for this email. Used, expired, revoked, unknown, for somebody else, of an inviter who may not
 * invite any more: all the same `not_found`. Of two who take it at once, one commits.
 */
export async function takeInvite(
  deps: { table: Table; clock: Pick<Clock, "now"> },
  token: string,
  email: string,
): Promise<Entry> {
  const nowSeconds = deps.clock.now() / 1000;
  const invite = await findInvite(deps.table, token, nowSeconds);
  if (!invite || (invite.email ?? email) !== email) throw new AppError("not_found");
  const { tenant_id, invite_id, role, invited_by } = invite;
  const [tenant, inviter] = await Promise.all([
    findTenant(deps.table, tenant_id),
    findMember(deps.table, tenant_id, invited_by),
  ]);
  if (!tenant || !inviter || !mayInvite(inviter, role)) throw new AppError("not_found");
  return {
    tenant,
    role,
    writes: (entities) => [
      // Holds only while it is there: of two who take it at once, one comes too late.
      entities.invite.remove({ tenant_id, invite_id }).commit(),
      holdsRole(entities, inviter),
      ...(role === "owner" ? [entities.tenant.patch({ tenant_id }).add({ owners: 1 }).commit()] : []),
    ],
  };
}
