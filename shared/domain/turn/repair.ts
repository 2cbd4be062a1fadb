import { transition, type Conversation } from "../conversation/conversation.ts";
import { announce } from "../timeline/announce.ts";
import type { SessionKey } from "../timeline/row.ts";
import { answerDangling, reopenStep } from "./repair.decisions.ts";
import type { Claim } from "./step.decisions.ts";
import type { DanglingCall } from "./transcript-blocks.ts";
import { wake, type TurnDeps } from "./turn.ts";

/** What one transaction takes, beside the conversation and its marks. */
const maxRepairs = 50;

/** False where the log moved meanwhile, or the step is another worker's. */
export async function repairCalls(
  deps: TurnDeps,
  key: SessionKey,
  claim: Claim,
  head: number,
  dangling: DanglingCall[],
): Promise<boolean> {
  const some = dangling.slice(0, maxRepairs);
  const outcome = await transition(deps, key, (current) => answerDangling(current, claim, head, some));
  if (outcome.kind !== "committed") return false;
  deps.log.error("lost results replaced", { ...key, turn_id: claim.turn_id, count: some.length });
  await announce(deps, key, outcome.rows);
  return true;
}

/** For a step whose calls were read, and none of them was pending. */
export async function resumeWithoutCalls(deps: TurnDeps, key: SessionKey, seen: Conversation): Promise<void> {
  const outcome = await transition(deps, key, (current, now) => reopenStep(current, seen, now));
  if (outcome.kind !== "committed") return;
  deps.log.error("no pending call is left", { ...key, turn_id: seen.turn_id });
  await wake(deps, key);
}
