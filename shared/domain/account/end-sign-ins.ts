import type * as z from "zod";
import { AppError } from "../../errors.ts";
import type { Actor } from "../../ports/tokens.ts";
import type { ChangePasswordRequest, TokenAnswer } from "../../protocol/account.ts";
import { revokeConnections } from "../connection/revoke.ts";
import { type ClosingDeps, commit, type Entities, type Write } from "./commit.ts";
import { findLogin, findTenant, type Login, readActor } from "./membership.ts";
import { hashPassword, passwordCheck } from "./password.ts";
import { admitGuess } from "./throttle.ts";
import { type AccountDeps, answerTokens, signingIn } from "./token-answer.ts";

/** Every membership of the account gets the next generation, at once: what names an earlier one is dead. */
function raise(entities: Entities, login: Login, change: { password_hash?: string }): Write[] {
  const { email, user_id, tenant_ids = [] } = login;
  const generation = login.generation + 1;
  return [
    entities.login
      .patch({ email })
      .set({ generation, ...change })
      .where((row, { eq }) => eq(row.generation, login.generation))
      .commit(),
    ...tenant_ids.map((tenant_id) => entities.user.patch({ tenant_id, user_id }).set({ generation }).commit()),
  ];
}

async function closeSockets(deps: ClosingDeps, { user_id, tenant_ids = [] }: Login): Promise<void> {
  await Promise.all(tenant_ids.map((tenant_id) => revokeConnections(deps, tenant_id, user_id)));
}

/** Ends every sign-in of the user in every tenant, this one too. API keys stay: they are revoked one by one. */
export async function logoutAll(deps: ClosingDeps, actor: Actor): Promise<void> {
  const { email } = await readActor(deps.table, actor);
  const login = await commit(deps, async () => {
    const read = await findLogin(deps.table, email);
    await readActor(deps.table, actor);
    if (!read) throw new AppError("unauthenticated");
    return { writes: (entities) => raise(entities, read, {}), result: read };
  });
  await closeSockets(deps, login);
}

/**
 * A new password: every sign-in and link of before ends, the answer's tokens are the only ones left. Throws
 * `invalid_credentials` where the present password is another, or there is none.
 */
export async function changePassword(
  deps: AccountDeps & ClosingDeps,
  actor: Actor,
  input: z.infer<typeof ChangePasswordRequest>,
  sourceIp: string,
): Promise<TokenAnswer> {
  const { email } = await readActor(deps.table, actor);
  const guess = await admitGuess(deps, email, sourceIp);
  const matches = passwordCheck(input.current_password);
  let password_hash: string | null = null;
  const { signedIn, login } = await commit(deps, async () => {
    const read = await findLogin(deps.table, email);
    if (!(await matches(read?.password_hash))) throw new AppError("invalid_credentials");
    const hash = (password_hash ??= await hashPassword(input.new_password, deps.ids));
    // After the account, so that a token which died in between is seen; what comes later fails the transaction.
    const user = await readActor(deps.table, actor);
    const tenant = await findTenant(deps.table, actor.tenantId);
    if (!read || !tenant) throw new AppError("unauthenticated");
    const membership = { user: { ...user, generation: read.generation + 1 }, tenant };
    const plan = signingIn(deps, membership, (entities) => raise(entities, read, { password_hash: hash }));
    return { ...plan, result: { signedIn: plan.result, login: read } };
  });
  await Promise.all([guess.wasRight(), closeSockets(deps, login)]);
  return answerTokens(deps, signedIn);
}
