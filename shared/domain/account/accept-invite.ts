import type * as z from "zod";
import { AppError } from "../../errors.ts";
import type { Actor } from "../../ports/tokens.ts";
import type { TokenAnswer } from "../../protocol/account.ts";
import type { AcceptInviteRequest } from "../../protocol/member.ts";
import { commit } from "./commit.ts";
import { enterAsKnown, enterAsNew } from "./entry.ts";
import { takeInvite } from "./invite.ts";
import { findLogin, holdsActor, readActor } from "./membership.ts";
import { hashPassword, passwordCheck } from "./password.ts";
import { admitGuess } from "./throttle.ts";
import { type AccountDeps, answerTokens, signingIn } from "./token-answer.ts";

/**
 * Takes an invite without being signed in: with a new account, or with one that has this password. Throws `not_found` for
 * an invite that is none (any more), `email_taken` where the account has another password.
 */
export async function acceptInvite(
  deps: AccountDeps,
  input: z.infer<typeof AcceptInviteRequest>,
  sourceIp: string,
): Promise<TokenAnswer> {
  const { token, email, password } = input;
  const guess = await admitGuess(deps, email, sourceIp);
  const matches = passwordCheck(password);
  let password_hash: string | null = null;
  const signedIn = await commit(deps, async () => {
    const entry = await takeInvite(deps, token, email);
    const known = await findLogin(deps.table, email);
    if (known && !(await matches(known.password_hash))) throw new AppError("email_taken");
    if (!known) password_hash ??= await hashPassword(password, deps.ids);
    const entered = known
      ? enterAsKnown(deps, entry, known)
      : enterAsNew(deps, entry, { email, ...(password_hash === null ? {} : { password_hash }) });
    return signingIn(deps, entered.membership, entered.writes);
  });
  await guess.wasRight();
  return answerTokens(deps, signedIn);
}

/** Takes an invite with the account that is signed in, and signs it in there. */
export async function joinByInvite(deps: AccountDeps, actor: Actor, token: string): Promise<TokenAnswer> {
  const signedIn = await commit(deps, async () => {
    const here = await readActor(deps.table, actor);
    const entry = await takeInvite(deps, token, here.email);
    const login = await findLogin(deps.table, here.email);
    if (!login) throw new AppError("unauthenticated");
    const { membership, writes } = enterAsKnown(deps, entry, login);
    return signingIn(deps, membership, (entities) => [holdsActor(entities, actor), ...writes(entities)]);
  });
  return answerTokens(deps, signedIn);
}
