import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import type { Role } from "../../protocol/permission.ts";
import type { Entities, Write } from "./commit.ts";
import { maxTenantsPerUser, type Login, type Membership, type Tenant } from "./membership.ts";

/** A way into a tenant: by making it, or by an invite. */
export interface Entry {
  tenant: Tenant;
  role: Role;
  /** What uses this way up. */
  writes(entities: Entities): Write[];
}

/** A membership that the transaction of `writes` makes. */
export interface Entered {
  membership: Membership;
  writes(entities: Entities): Write[];
}

interface EntryDeps {
  clock: Pick<Clock, "now">;
  ids: Pick<Ids, "next">;
}

export function foundTenant(deps: EntryDeps, name: string): Entry {
  const tenant = { tenant_id: deps.ids.next(idPrefixes.tenant), name, owners: 1, created_at: deps.clock.now() };
  return { tenant, role: "owner", writes: (entities) => [entities.tenant.create(tenant).commit()] };
}

/** With a new account; of two at once with one email, one is written. */
export function enterAsNew(
  deps: EntryDeps,
  { tenant, role, writes }: Entry,
  account: { email: string; password_hash?: string },
): Entered {
  const { tenant_id } = tenant;
  const created_at = deps.clock.now();
  const user_id = deps.ids.next(idPrefixes.user);
  const user = { tenant_id, user_id, email: account.email, role, generation: 1, created_at };
  const login = { ...account, user_id, generation: 1, tenant_ids: [tenant_id], last_tenant_id: tenant_id, created_at };
  return {
    membership: { user, tenant },
    writes: (entities) => [
      ...writes(entities),
      entities.login.create(login).commit(),
      entities.user.create(user).commit(),
    ],
  };
}

/** With an account that exists. The membership gets a generation that no earlier one of this user ever had. */
export function enterAsKnown(deps: EntryDeps, { tenant, role, writes }: Entry, login: Login): Entered {
  const { tenant_id } = tenant;
  const { email, user_id } = login;
  const tenants = login.tenant_ids ?? [];
  if (tenants.includes(tenant_id)) throw new AppError("conflict", "You are a member of this tenant already");
  if (tenants.length >= maxTenantsPerUser)
    throw new AppError("conflict", `An account is a member of at most ${maxTenantsPerUser} tenants`);
  const generation = login.generation + 1;
  const user = { tenant_id, user_id, email, role, generation, created_at: deps.clock.now() };
  return {
    membership: { user, tenant },
    writes: (entities) => [
      ...writes(entities),
      entities.login
        .patch({ email })
        .set({ generation, last_tenant_id: tenant_id })
        .add({ tenant_ids: [tenant_id] })
        .where((row, { eq }) => eq(row.generation, login.generation))
        .commit(),
      entities.user.create(user).commit(),
    ],
  };
}
