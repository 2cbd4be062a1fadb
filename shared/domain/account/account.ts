import type { EntityItem } from "electrodb";
import type * as z from "zod";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Actor, UserTokens } from "../../ports/tokens.ts";
import type { LoginRequest, MeAnswer, RegisterRequest, TokenAnswer } from "../../protocol/account.ts";
import { hashPassword, passwordMatches } from "./password.ts";
import { newFamily, revokeFamily, rotate } from "./refresh-token.ts";

export interface AccountDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  ids: Pick<Ids, "next" | "secret">;
  userTokens: UserTokens;
}

type User = EntityItem<Platform["entities"]["user"]>;
type Tenant = EntityItem<Platform["entities"]["tenant"]>;
type Me = z.infer<typeof MeAnswer>;

function toMe(user: User, tenant: Tenant): Me {
  return {
    user: { id: user.user_id, email: user.email, role: user.role },
    tenant: { id: tenant.tenant_id, name: tenant.name },
  };
}

async function answer(deps: AccountDeps, me: Me, refreshToken: string): Promise<TokenAnswer> {
  const { token, expiresInSeconds } = await deps.userTokens.mint({
    tenantId: me.tenant.id,
    userId: me.user.id,
    role: me.user.role,
  });
  return { access_token: token, refresh_token: refreshToken, expires_in: expiresInSeconds, ...me };
}

async function readMe(table: Table, tenant_id: string, user_id: string): Promise<Me> {
  const { entities } = rows(table);
  const [user, tenant] = await Promise.all([
    entities.user.get({ tenant_id, user_id }).go({ consistent: true }),
    entities.tenant.get({ tenant_id }).go({ consistent: true }),
  ]);
  if (!user.data || !tenant.data) throw new AppError("unauthenticated");
  return toMe(user.data, tenant.data);
}

async function findLogin(table: Table, email: string) {
  const found = await rows(table).entities.login.get({ email }).go({ consistent: true });
  return found.data;
}

/** Another transaction on the same email cancels this one before it is known who wins. */
const registerTries = 3;

/** A new tenant with its owner, signed in. Of two at once with one email, one gets `email_taken`. */
export async function register(deps: AccountDeps, input: z.infer<typeof RegisterRequest>): Promise<TokenAnswer> {
  const { email, tenant_name } = input;
  if (await findLogin(deps.table, email)) throw new AppError("email_taken");
  const password_hash = await hashPassword(input.password, deps.ids);
  const tenant_id = deps.ids.next("ten");
  const user_id = deps.ids.next("usr");
  const created_at = deps.clock.now();
  const user: User = { tenant_id, user_id, email, role: "owner", created_at };
  const tenant: Tenant = { tenant_id, name: tenant_name, created_at };
  const family = newFamily(deps, { tenant_id, user_id });
  for (let attempt = 0; attempt < registerTries; attempt += 1) {
    const written = await rows(deps.table)
      .transaction.write((entities) => [
        entities.login.create({ email, tenant_id, user_id, password_hash, created_at }).commit(),
        entities.tenant.create(tenant).commit(),
        entities.user.create(user).commit(),
        entities.refreshToken.create(family.row).commit(),
      ])
      .go();
    if (!written.canceled) return answer(deps, toMe(user, tenant), family.token);
    if (await findLogin(deps.table, email)) throw new AppError("email_taken");
  }
  throw new AppError("busy");
}

/** An unknown email and a wrong password are the same failure, after the same work. */
export async function login(deps: AccountDeps, input: z.infer<typeof LoginRequest>): Promise<TokenAnswer> {
  const known = await findLogin(deps.table, input.email);
  const matches = await passwordMatches(input.password, known?.password_hash ?? null);
  if (!known || !matches) throw new AppError("invalid_credentials");
  const me = await readMe(deps.table, known.tenant_id, known.user_id);
  const family = newFamily(deps, known);
  await rows(deps.table).entities.refreshToken.create(family.row).go();
  return answer(deps, me, family.token);
}

/** Throws `token_reused` and ends the family where the token was used before. */
export async function refresh(deps: AccountDeps, refreshToken: string): Promise<TokenAnswer> {
  const { tenant_id, user_id, token } = await rotate(deps, refreshToken);
  return answer(deps, await readMe(deps.table, tenant_id, user_id), token);
}

/** Ends the family; an unknown token is no error, since there is nothing left to end. */
export async function logout(deps: Pick<AccountDeps, "table" | "clock">, refreshToken: string): Promise<void> {
  await revokeFamily(deps, refreshToken);
}

export async function readAccount(deps: Pick<AccountDeps, "table">, actor: Actor): Promise<Me> {
  return readMe(deps.table, actor.tenantId, actor.userId);
}
