import { followSettling, inputOf, settling } from "../domain/approval/settle.ts";
import { transition } from "../domain/conversation/conversation.ts";
import type { StepDeps } from "./step-deps.ts";
import type { Watching } from "./watch.ts";

const expired = { decision: "expired" as const, by: null, note: null };

/** Nobody has to look before the deadline: an answer wakes the session. At the deadline the stated default happens. */
export async function watchPersons(deps: StepDeps, { key, calls }: Watching): Promise<number | null> {
  const now = deps.clock.now();
  for (const call of calls) {
    if ((call.expires_at ?? 0) > now) continue;
    const input = await inputOf(deps, key, call);
    const outcome = await transition(deps, key, (current, at) => settling(current, call, input, expired, at));
    if (outcome.kind === "committed") await followSettling(deps, key, outcome);
  }
  const open = calls.flatMap(({ expires_at = 0 }) => (expires_at > now ? [expires_at] : []));
  return open.length > 0 ? Math.min(...open) : null;
}
