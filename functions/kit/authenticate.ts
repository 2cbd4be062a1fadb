import { AppError } from "../../shared/errors.ts";
import { type Actor, mayDo } from "../../shared/ports/tokens.ts";
import type { Permission } from "../../shared/protocol/permission.ts";
import { bearerOf } from "./bearer.ts";

/** Who may call a route; `public` is spelled out. */
export type Needs = "public" | Permission;

export interface AuthenticateDeps {
  /** Throws `token_expired` for what was good, and `unauthenticated` for anything else. */
  authenticate(bearer: string): Promise<Actor>;
}

/** Whom the bearer speaks for, if it is good and may do what the route needs. */
export async function authenticate(
  deps: AuthenticateDeps,
  header: string | undefined,
  needs: Exclude<Needs, "public">,
): Promise<Actor> {
  const bearer = bearerOf(header);
  if (bearer === null) throw new AppError("unauthenticated");
  const actor = await deps.authenticate(bearer);
  if (!mayDo(actor, needs)) throw new AppError("forbidden");
  return actor;
}
