import { AppError } from "../../shared/errors.ts";
import type { Actor, TokenVerifier } from "../../shared/ports/tokens.ts";
import type { Role } from "../../shared/protocol/http.ts";

/** Who may call a route; `public` is spelled out. A role takes every role above it. */
export type Needs = "public" | "user" | { role: Role };

const rank: Record<Role, number> = { viewer: 0, member: 1, admin: 2, owner: 3 };

/** The token of `Authorization: Bearer <token>`; null where the header is absent or of another scheme. */
export function bearerOf(header: string | undefined): string | null {
  return /^Bearer ([^\s]+)$/i.exec(header ?? "")?.[1] ?? null;
}

/** The access token's actor, if it is good and its role suffices. */
export async function authenticate(
  verifier: Pick<TokenVerifier, "user">,
  header: string | undefined,
  needs: Exclude<Needs, "public">,
): Promise<Actor> {
  const token = bearerOf(header);
  if (token === null) throw new AppError("unauthenticated");
  const actor = await verifier.user(token);
  if (needs !== "user" && rank[actor.role] < rank[needs.role]) throw new AppError("forbidden");
  return actor;
}
