import { AppError } from "../../errors.ts";
import { type Actor, mayDo } from "../../ports/tokens.ts";
import type { Scope } from "../../protocol/permission.ts";

/** Why the actor may not make such a key; null where it may. `makerEndsAt`: of the key that the actor speaks with. */
export function refusalOf(
  actor: Pick<Actor, "role" | "key">,
  makerEndsAt: number | undefined,
  wanted: { scopes: readonly string[]; ends_at?: number | undefined },
  now: number,
): AppError | null {
  const beyond = wanted.scopes.filter((scope) => !mayDo(actor, scope as Scope));
  if (beyond.length > 0) return new AppError("forbidden", `You may not do this yourself: ${beyond.join(", ")}`);
  if (wanted.ends_at !== undefined && wanted.ends_at <= now) {
    const issues = [{ path: "body.expires_at", message: "is over already" }];
    return new AppError("validation_failed", undefined, { issues });
  }
  // Else a key that leaked could make itself last.
  const outlives = makerEndsAt !== undefined && (wanted.ends_at ?? Infinity) > makerEndsAt;
  return outlives ? new AppError("forbidden", "A key makes no key that outlives it") : null;
}
