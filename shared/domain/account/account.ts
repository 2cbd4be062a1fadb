import type * as z from "zod";
import type { Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { LoginRequest, RegisterRequest, TokenAnswer } from "../../protocol/account.ts";
import { commit } from "./commit.ts";
import { enterAsNew, foundTenant } from "./entry.ts";
import { findLogin, findMembership, holdsLogin, type Login, type Membership } from "./membership.ts";
import { hashPassword, passwordCheck } from "./password.ts";
import { revokeFamily, rotate } from "./refresh-token.ts";
import { admitAddress, admitGuess } from "./throttle.ts";
import { type AccountDeps, answerTokens, signingIn } from "./token-answer.ts";

/** Who may make tenants: anybody, or nobody, so that an invite is the only way in. */
export type Registration = "open" | "invite_only";

/** A new tenant with its owner, signed in. Of two at once with one email, one gets `email_taken`. */
export async function register(
  deps: AccountDeps & { registration: Registration },
  input: z.infer<typeof RegisterRequest>,
  sourceIp: string,
): Promise<TokenAnswer> {
  const { email, password, tenant_name } = input;
  if (deps.registration !== "open") throw new AppError("forbidden", "Registration is closed here: ask for an invite");
  await admitAddress(deps, "register", sourceIp);
  if (await findLogin(deps.table, email)) throw new AppError("email_taken");
  const password_hash = await hashPassword(password, deps.ids);
  const signedIn = await commit(deps, async () => {
    if (await findLogin(deps.table, email)) throw new AppError("email_taken");
    const { membership, writes } = enterAsNew(deps, foundTenant(deps, tenant_name), { email, password_hash });
    return signingIn(deps, membership, writes);
  });
  return answerTokens(deps, signedIn);
}

/** Where signing in leads: the tenant of last time, or the oldest where that is not the user's any more. */
export async function lastMembership(table: Table, login: Login): Promise<Membership> {
  const tenants = (login.tenant_ids ?? []).toSorted();
  const last = tenants.filter((tenant_id) => tenant_id === login.last_tenant_id);
  for (const tenant_id of [...last, ...tenants]) {
    const membership = await findMembership(table, tenant_id, login.user_id);
    if (membership) return membership;
  }
  throw new AppError("forbidden", "This account is in no tenant: accept an invite to join one");
}

/** An unknown email and a wrong password are the same failure, after the same work. */
export async function login(
  deps: AccountDeps,
  input: z.infer<typeof LoginRequest>,
  sourceIp: string,
): Promise<TokenAnswer> {
  const guess = await admitGuess(deps, input.email, sourceIp);
  const matches = passwordCheck(input.password);
  const signedIn = await commit(deps, async () => {
    const known = await findLogin(deps.table, input.email);
    const isRight = await matches(known?.password_hash);
    if (!known || !isRight) throw new AppError("invalid_credentials");
    const membership = await lastMembership(deps.table, known);
    return signingIn(deps, membership, (entities) => [holdsLogin(entities, known)]);
  });
  await guess.wasRight();
  return answerTokens(deps, signedIn);
}

/** Throws `token_reused` and ends the family where the token was used before. */
export async function refresh(deps: AccountDeps, refreshToken: string, sourceIp: string): Promise<TokenAnswer> {
  await admitAddress(deps, "refresh", sourceIp);
  return answerTokens(deps, await rotate(deps, refreshToken));
}

/** Ends the family; an unknown token is no error, since there is nothing left to end. */
export async function logout(deps: { table: Table; clock: Pick<Clock, "now"> }, refreshToken: string): Promise<void> {
  await revokeFamily(deps, refreshToken);
}
