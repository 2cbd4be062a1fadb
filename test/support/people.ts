import { randomUUID } from "node:crypto";
import { commit } from "../../shared/domain/account/commit.ts";
import { enterAsNew, type Entry, foundTenant } from "../../shared/domain/account/entry.ts";
import { findTenant } from "../../shared/domain/account/membership.ts";
import { answerTokens, signingIn } from "../../shared/domain/account/token-answer.ts";
import type { TokenAnswer } from "../../shared/protocol/account.ts";
import type { Role } from "../../shared/protocol/permission.ts";
import type { HttpPlatform } from "./http-platform.ts";

/** Signed-in people without passwords, whose hashes would be most of what a test of something else costs. */
export function people(platform: () => HttpPlatform) {
  async function signedIn(entry: Entry): Promise<TokenAnswer> {
    const { deps } = platform();
    const entered = enterAsNew(deps, entry, { email: `${randomUUID()}@example.com` });
    const plan = signingIn(deps, entered.membership, entered.writes);
    return answerTokens(deps, await commit(deps, async () => plan));
  }

  return {
    found: () => signedIn(foundTenant(platform().deps, "Acme")),

    async join(host: TokenAnswer, role: Role): Promise<TokenAnswer> {
      const tenant = await findTenant(platform().deps.table, host.tenant.id);
      if (!tenant) throw new Error("no such tenant");
      return signedIn({ tenant, role, writes: () => [] });
    },
  };
}
