import type * as z from "zod";
import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Actor } from "../../ports/tokens.ts";
import type { Tenant, TenantOfUser, TokenAnswer } from "../../protocol/account.ts";
import type { Registration } from "./account.ts";
import { commit } from "./commit.ts";
import { enterAsKnown, foundTenant } from "./entry.ts";
import { findLogin, findMembership, findTenant, holdsActor, readActor, toTenant } from "./membership.ts";
import { type AccountDeps, answerTokens, signingIn } from "./token-answer.ts";

type TenantView = z.infer<typeof Tenant>;

/** Tokens of another tenant of the same user; the present ones stay good. One that the user is not in is `not_found`. */
export async function switchTenant(deps: AccountDeps, actor: Actor, tenant_id: string): Promise<TokenAnswer> {
  const signedIn = await commit(deps, async () => {
    const [here, membership] = await Promise.all([
      readActor(deps.table, actor),
      findMembership(deps.table, tenant_id, actor.userId),
    ]);
    if (!membership) throw new AppError("not_found");
    return signingIn(deps, membership, (entities) => [
      holdsActor(entities, actor),
      entities.login.patch({ email: here.email }).set({ last_tenant_id: tenant_id }).commit(),
    ]);
  });
  return answerTokens(deps, signedIn);
}

/** A further tenant, owned by the actor alone; the actor stays signed in where it is. */
export async function createTenant(
  deps: AccountDeps & { registration: Registration },
  actor: Actor,
  name: string,
): Promise<z.infer<typeof TenantOfUser>> {
  if (deps.registration !== "open") throw new AppError("forbidden", "No tenants are made here");
  return commit(deps, async () => {
    const here = await readActor(deps.table, actor);
    const login = await findLogin(deps.table, here.email);
    if (!login) throw new AppError("unauthenticated");
    const { membership, writes } = enterAsKnown(deps, foundTenant(deps, name), login);
    return {
      writes: (entities) => [holdsActor(entities, actor), ...writes(entities)],
      result: { ...toTenant(membership.tenant), role: membership.user.role },
    };
  });
}

export async function readTenant(table: Table, tenant_id: string): Promise<TenantView> {
  const tenant = await findTenant(table, tenant_id);
  if (!tenant) throw new AppError("not_found");
  return toTenant(tenant);
}

export async function renameTenant(table: Table, tenant_id: string, name: string): Promise<TenantView> {
  await rows(table).entities.tenant.patch({ tenant_id }).set({ name }).go();
  return { id: tenant_id, name };
}
