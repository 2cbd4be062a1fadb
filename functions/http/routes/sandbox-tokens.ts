import { redeemBootSecret } from "../../../shared/domain/container/container.ts";
import { AppError } from "../../../shared/errors.ts";
import { RedeemBootSecret, SandboxToken } from "../../../shared/protocol/sandbox-frame.ts";
import { route } from "../deps.ts";

export const sandboxTokenRoutes = [
  route({
    method: "POST",
    path: "/sandbox-tokens",
    id: "redeemBootSecret",
    summary: "Spends a sandbox's boot secret for its token",
    tag: "Sandbox",
    errors: ["unauthenticated"],
    // The boot secret is the credential: a supervisor that starts has no other.
    needs: "public",
    body: RedeemBootSecret,
    answers: { 201: SandboxToken },
    run: async ({ input, deps }) => {
      const { tenant_id, session_id, epoch, boot_secret } = input.body;
      const matches = await deps.bootSecrets.matches(boot_secret, session_id, epoch);
      if (!matches) throw new AppError("unauthenticated");
      await redeemBootSecret(deps, { tenant_id, session_id }, epoch);
      const minted = await deps.sandboxTokens.mint({ tenantId: tenant_id, sessionId: session_id, epoch });
      return { status: 201, body: { token: minted.token, expires_in: minted.expiresInSeconds } };
    },
  }),
];
