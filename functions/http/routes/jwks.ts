import * as z from "zod";
import { listSigningKeys } from "../../../shared/domain/connection/signing-key.ts";
import { route } from "../deps.ts";

const JsonWebKeySet = z.object({
  keys: z.array(
    z.object({
      kty: z.literal("OKP"),
      crv: z.literal("Ed25519"),
      x: z.string(),
      kid: z.string(),
      alg: z.literal("EdDSA"),
      use: z.literal("sig"),
    }),
  ),
});

export const jwksRoutes = [
  route({
    method: "GET",
    path: "/.well-known/jwks.json",
    id: "listSigningKeys",
    summary: "Lists the public keys of access tokens",
    tag: "Platform",
    needs: "public",
    answers: { 200: JsonWebKeySet },
    run: async ({ deps }) => {
      await deps.userTokens.publish();
      const keys = await listSigningKeys(deps, "user");
      return {
        status: 200,
        headers: { "cache-control": "public, max-age=300" },
        body: { keys: keys.map(({ kid, jwk }) => ({ ...jwk, kid, alg: "EdDSA" as const, use: "sig" as const })) },
      };
    },
  }),
];
