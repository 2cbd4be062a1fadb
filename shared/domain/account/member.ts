import type * as z from "zod";
import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Cursors } from "../../ports/cursors.ts";
import type { Actor } from "../../ports/tokens.ts";
import { UserId } from "../../protocol/ids.ts";
import type { Member as MemberView } from "../../protocol/member.ts";
import type { Role } from "../../protocol/permission.ts";
import { revokeConnections } from "../connection/revoke.ts";
import { type ClosingDeps, commit, type Entities, type Plan, type Write } from "./commit.ts";
import { decideRoleChange } from "./member.decisions.ts";
import { findMember, findTenant, holdsRole, type Member, readActor, readPermitted } from "./membership.ts";

function toMember({ user_id, email, role, created_at }: Member): z.infer<typeof MemberView> {
  return { id: user_id, email, role, created_at: new Date(created_at).toISOString() };
}

/** In the order in which their accounts were made. */
export async function listMembers(
  deps: { table: Table; cursors: Cursors },
  tenant_id: string,
  query: { limit: number; cursor?: string | undefined },
) {
  const scope = "members";
  const cursor = query.cursor === undefined ? null : await deps.cursors.open(query.cursor, tenant_id, scope);
  const found = await rows(deps.table)
    .entities.user.query.byTenant({ tenant_id })
    .go({ limit: query.limit, cursor, consistent: true });
  const next_cursor = found.cursor ? await deps.cursors.seal(found.cursor, tenant_id, scope) : null;
  return { data: found.data.map(toMember), next_cursor };
}

interface Wanted {
  actor: Member;
  target: Member;
  /** Null: the membership ends. */
  to: Role | null;
}

/** The target's own row, changed or gone; holds while it has the role that was decided on. */
function writeTarget(entities: Entities, { target, to }: Wanted): Write[] {
  const { tenant_id, user_id, email, role } = target;
  if (to !== null) {
    const change = entities.user.patch({ tenant_id, user_id }).set({ role: to });
    return [change.where((row, { eq }) => eq(row.role, role)).commit()];
  }
  const removal = entities.user.remove({ tenant_id, user_id });
  return [
    removal.where((row, { eq }) => eq(row.role, role)).commit(),
    entities.login
      .patch({ email })
      .delete({ tenant_ids: [tenant_id] })
      .commit(),
  ];
}

function writeOwners(entities: Entities, tenant_id: string, by: -1 | 0 | 1): Write[] {
  const change = entities.tenant.patch({ tenant_id }).add({ owners: by });
  if (by === 0) return [];
  if (by === 1) return [change.commit()];
  return [change.where(({ owners }, { gt }) => gt(owners, 1)).commit()];
}

/** Two owners who unmake each other at the same time: each holds the role of the other, so one of them is too late. */
async function planChange(table: Table, wanted: Wanted): Promise<Plan<void>> {
  const { actor, target, to } = wanted;
  const { tenant_id } = target;
  const owners = (await findTenant(table, tenant_id))?.owners ?? 0;
  const decision = decideRoleChange({ actorRole: actor.role, from: target.role, to, owners });
  if (decision.kind === "refused") throw new AppError(decision.code);
  if (target.role === to) return { writes: null, result: undefined };
  const isOther = actor.user_id !== target.user_id;
  return {
    writes: (entities) => [
      ...writeTarget(entities, wanted),
      ...writeOwners(entities, tenant_id, decision.owners),
      ...(isOther ? [holdsRole(entities, actor)] : []),
    ],
    result: undefined,
  };
}

async function readTarget(table: Table, tenant_id: string, user_id: string): Promise<Member> {
  const target = UserId.safeParse(user_id).success ? await findMember(table, tenant_id, user_id) : null;
  if (!target) throw new AppError("not_found");
  return target;
}

/** Takes effect on the member's next request; open sockets have the old role and are closed. */
export async function changeRole(
  deps: ClosingDeps,
  actor: Actor,
  user_id: string,
  to: Role,
): Promise<z.infer<typeof MemberView>> {
  const { tenantId } = actor;
  const changed = await commit(deps, async () => {
    const by = await readPermitted(deps.table, actor, "member.manage");
    const target = await readTarget(deps.table, tenantId, user_id);
    const { writes } = await planChange(deps.table, { actor: by, target, to });
    return { writes, result: { ...target, role: to } };
  });
  await revokeConnections(deps, tenantId, user_id);
  return toMember(changed);
}

/**
 * The account stays: only this membership ends, and with it every token, key and socket of it. Throws `not_found`; who
 * removes again after a failure closes the sockets that were left.
 */
export async function removeMember(deps: ClosingDeps, actor: Actor, user_id: string): Promise<void> {
  try {
    await commit(deps, async () => {
      const by = await readPermitted(deps.table, actor, "member.manage");
      const target = await readTarget(deps.table, actor.tenantId, user_id);
      return planChange(deps.table, { actor: by, target, to: null });
    });
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "not_found") throw error;
    if (UserId.safeParse(user_id).success) await revokeConnections(deps, actor.tenantId, user_id);
    throw error;
  }
  await revokeConnections(deps, actor.tenantId, user_id);
}

/** Ends the actor's own membership; the last owner stays. */
export async function leaveTenant(deps: ClosingDeps, actor: Actor): Promise<void> {
  await commit(deps, async () => {
    const target = await readActor(deps.table, actor);
    return planChange(deps.table, { actor: target, target, to: null });
  });
  await revokeConnections(deps, actor.tenantId, actor.userId);
}
