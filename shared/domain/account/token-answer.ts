import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import type { UserTokens } from "../../ports/tokens.ts";
import type { TokenAnswer } from "../../protocol/account.ts";
import type { CommitDeps, Entities, Plan, Write } from "./commit.ts";
import { type Membership, toTenant, toUser } from "./membership.ts";
import { newFamily } from "./refresh-token.ts";

export interface AccountDeps extends CommitDeps {
  clock: Clock;
  ids: Pick<Ids, "next" | "secret" | "random">;
  userTokens: UserTokens;
}

/** Somebody who has just signed in somewhere. */
export interface SignedIn {
  membership: Membership;
  refreshToken: string;
}

/** Signs in to a membership in the same transaction in which `writes` say that this may be. */
export function signingIn(
  deps: AccountDeps,
  membership: Membership,
  writes: (entities: Entities) => Write[],
): Plan<SignedIn> {
  const family = newFamily(deps, membership.user);
  return {
    writes: (entities) => [...writes(entities), entities.refreshToken.create(family.row).commit()],
    result: { membership, refreshToken: family.token },
  };
}

/** The access token is of the generation that was read with the membership: raised meanwhile, it is dead when it is made. */
export async function answerTokens(
  deps: Pick<AccountDeps, "userTokens">,
  { membership: { user, tenant }, refreshToken }: SignedIn,
): Promise<TokenAnswer> {
  const { tenant_id: tenantId, user_id: userId, generation } = user;
  const { token, expiresInSeconds } = await deps.userTokens.mint({ tenantId, userId, generation });
  return {
    access_token: token,
    refresh_token: refreshToken,
    expires_in: expiresInSeconds,
    user: toUser(user),
    tenant: toTenant(tenant),
  };
}
