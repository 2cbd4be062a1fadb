import { linkProvider, signInWithProvider } from "../../../shared/domain/account/identity.ts";
import { LinkIdentityRequest, OidcRequest, TokenAnswer } from "../../../shared/protocol/account.ts";
import { route } from "../deps.ts";

export const oidcRoutes = [
  route({
    method: "POST",
    path: "/auth/oidc",
    id: "signInWithProvider",
    summary: "Signs in with an identity provider's ID token",
    description:
      "The first time an invite lets the person in, or a new tenant is made. `email_taken` where an account with a password has the email: link it first.",
    tag: "Account",
    errors: ["unauthenticated", "forbidden", "not_found", "conflict", "email_taken", "identity_provider_unavailable"],
    needs: "public",
    body: OidcRequest,
    answers: { 200: TokenAnswer },
    run: async ({ input, deps, sourceIp }) => ({
      status: 200,
      body: await signInWithProvider(deps, input.body, sourceIp),
    }),
  }),
  route({
    method: "POST",
    path: "/auth/oidc/link",
    id: "linkProvider",
    summary: "Lets an identity provider sign in to this account too",
    description: "Until the password changes.",
    tag: "Account",
    errors: ["not_found", "invalid_credentials", "conflict", "identity_provider_unavailable"],
    needs: "account.self",
    body: LinkIdentityRequest,
    answers: { 204: null },
    run: async ({ input, actor, deps, sourceIp }) => {
      await linkProvider(deps, actor, input.body, sourceIp);
      return { status: 204 };
    },
  }),
];
