import type { EntityItem } from "electrodb";
import type * as z from "zod";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import { type Actor, mayDo, type UserClaims } from "../../ports/tokens.ts";
import type { MeAnswer, Tenant as TenantAnswer, User as UserAnswer } from "../../protocol/account.ts";
import type { Permission } from "../../protocol/permission.ts";
import type { Entities, Write } from "./commit.ts";

export type Login = EntityItem<Platform["entities"]["login"]>;
export type Member = EntityItem<Platform["entities"]["user"]>;
export type Tenant = EntityItem<Platform["entities"]["tenant"]>;

/** A user in a tenant, as answers show it. */
export interface Membership {
  user: Member;
  tenant: Tenant;
}

/** A transaction that raises every membership of an account must hold them all. */
export const maxTenantsPerUser = 50;

export async function findLogin(table: Table, email: string): Promise<Login | null> {
  const found = await rows(table).entities.login.get({ email }).go({ consistent: true });
  return found.data;
}

export async function findMember(table: Table, tenant_id: string, user_id: string): Promise<Member | null> {
  const found = await rows(table).entities.user.get({ tenant_id, user_id }).go({ consistent: true });
  return found.data;
}

export async function findTenant(table: Table, tenant_id: string): Promise<Tenant | null> {
  const found = await rows(table).entities.tenant.get({ tenant_id }).go({ consistent: true });
  return found.data;
}

export async function findMembership(table: Table, tenant_id: string, user_id: string): Promise<Membership | null> {
  const [user, tenant] = await Promise.all([findMember(table, tenant_id, user_id), findTenant(table, tenant_id)]);
  return user && tenant ? { user, tenant } : null;
}

/** Every membership of an account, the oldest tenant first. */
export async function membershipsOf(table: Table, login: Login): Promise<Membership[]> {
  const found = await Promise.all(
    (login.tenant_ids ?? []).toSorted().map((tenant_id) => findMembership(table, tenant_id, login.user_id)),
  );
  return found.filter((membership) => membership !== null);
}

/** The actor's row as it is now. Throws `unauthenticated` where the membership has ended since the request was let in. */
export async function readActor(table: Table, { tenantId, userId, generation }: UserClaims): Promise<Member> {
  const member = await findMember(table, tenantId, userId);
  if (member?.generation !== generation) throw new AppError("unauthenticated");
  return member;
}

/** The same, where the role of now still allows it. */
export async function readPermitted(table: Table, actor: Actor, permission: Permission): Promise<Member> {
  const member = await readActor(table, actor);
  if (!mayDo({ role: member.role, ...(actor.key ? { key: actor.key } : {}) }, permission)) {
    throw new AppError("forbidden");
  }
  return member;
}

/** Holds while the actor's token is good: what is given in exchange for a token must not outlive it. */
export function holdsActor(entities: Entities, { tenantId, userId, generation }: UserClaims): Write {
  return entities.user
    .check({ tenant_id: tenantId, user_id: userId })
    .where((row, { eq }) => eq(row.generation, generation))
    .commit();
}

/** Holds while the account's password and memberships are what was read. */
export function holdsLogin(entities: Entities, { email, generation }: Login): Write {
  return entities.login
    .check({ email })
    .where((row, { eq }) => eq(row.generation, generation))
    .commit();
}

/** Holds while this member has the role that was read. */
export function holdsRole(entities: Entities, { tenant_id, user_id, role }: Member): Write {
  return entities.user
    .check({ tenant_id, user_id })
    .where((row, { eq }) => eq(row.role, role))
    .commit();
}

export function toUser({ user_id, email, role }: Member): z.infer<typeof UserAnswer> {
  return { id: user_id, email, role };
}

export function toTenant({ tenant_id, name }: Tenant): z.infer<typeof TenantAnswer> {
  return { id: tenant_id, name };
}

/** Who the actor is here, and where else. */
export async function readAccount(deps: { table: Table }, actor: Actor): Promise<z.infer<typeof MeAnswer>> {
  const user = await readActor(deps.table, actor);
  const login = await findLogin(deps.table, user.email);
  if (!login) throw new AppError("unauthenticated");
  const memberships = await membershipsOf(deps.table, login);
  const here = memberships.find(({ tenant }) => tenant.tenant_id === actor.tenantId);
  if (!here) throw new AppError("unauthenticated");
  const tenants = memberships.map(({ tenant, user: { role } }) => ({ ...toTenant(tenant), role }));
  return { user: toUser(here.user), tenant: toTenant(here.tenant), tenants };
}
