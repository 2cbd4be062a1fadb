import type { WakeUp } from "../../protocol/wake-up.ts";
import { giveUpTurn } from "./give-up.ts";
import type { TurnDeps } from "./turn.ts";

/** A wake-up that failed again and again: the turn ends with that, the user is told, the session takes the next prompt. */
export async function failSession(deps: TurnDeps, { tenant_id, session_id }: WakeUp): Promise<void> {
  deps.log.error("session failed", { tenant_id, session_id });
  const error = { code: "internal" as const, message: "The turn failed again and again" };
  await giveUpTurn(deps, { tenant_id, session_id }, { reason: "error", error }, "Not run: the turn failed.");
}
