import { AppError } from "../../shared/errors.ts";
import { type Actor, mayDo, type TokenVerifier } from "../../shared/ports/tokens.ts";
import type { Permission } from "../../shared/protocol/permission.ts";

/** Who may call a route; `public` is spelled out. */
export type Needs = "public" | Permission;

/** The token of `Authorization: Bearer <token>`; null where the header is absent or of another scheme. */
export function bearerOf(header: string | undefined): string | null {
  return /^Bearer ([^\s]+)$/i.exec(header ?? "")?.[1] ?? null;
}

/** The access token's actor, if it is good and may do what the route needs. */
export async function authenticate(
  verifier: Pick<TokenVerifier, "user">,
  header: string | undefined,
  needs: Exclude<Needs, "public">,
): Promise<Actor> {
  const token = bearerOf(header);
  if (token === null) throw new AppError("unauthenticated");
  const actor = await verifier.user(token);
  if (!mayDo(actor, needs)) throw new AppError("forbidden");
  return actor;
}
