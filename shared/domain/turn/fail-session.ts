import type { WakeUp } from "../../protocol/wake-up.ts";
import { giveUpTurn } from "./give-up.ts";
import { isAtWork } from "./turn.decisions.ts";
import type { TurnDeps } from "./turn.ts";

/**
 * A wake-up that failed again and again: the turn ends with that, the user is told, the session takes the next prompt. Not
 * where another worker is at it: should that one fail as well, its lease runs out, and the sweeper has the turn looked at.
 */
export async function failSession(deps: TurnDeps, { tenant_id, session_id }: WakeUp): Promise<void> {
  const error = { code: "internal" as const, message: "The turn failed again and again" };
  const ending = { reason: "error" as const, error };
  const key = { tenant_id, session_id };
  const hasEnded = await giveUpTurn(
    deps,
    key,
    ending,
    "Not run: the turn failed.",
    undefined,
    (current, now) => !isAtWork(current, now),
  );
  if (hasEnded) deps.log.error("session failed", key);
  else deps.log.warn("dead letter of a session that goes on, or rests", key);
}
