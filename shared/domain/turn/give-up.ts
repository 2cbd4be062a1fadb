import type { Conversation } from "../conversation/conversation.ts";
import { announce } from "../timeline/announce.ts";
import type { SessionKey } from "../timeline/row.ts";
import { cancelCalls, idsOf, stopChildrenOf } from "./interrupt.ts";
import { transitionWithCalls } from "./open-calls.ts";
import { abandonTurn, type TurnEnding } from "./turn.decisions.ts";
import { wake, wakeParent, type TurnDeps } from "./turn.ts";

/** Ends a turn that can not go on, whatever it waits for (`turnId`: only this one); the session takes the next prompt. */
export async function giveUpTurn(
  deps: TurnDeps,
  key: SessionKey,
  ending: TurnEnding,
  output: string,
  turnId?: string,
  mayEnd: (current: Conversation, now: number) => boolean = () => true,
): Promise<boolean> {
  const { outcome, open } = await transitionWithCalls(deps, key, output, (current, calls, now) =>
    mayEnd(current, now)
      ? abandonTurn(current, turnId ?? current.turn_id, ending, calls, now)
      : { rows: [], change: {}, result: { wasRunning: false, answersCalls: false } },
  );
  if (outcome.kind !== "committed" || !outcome.result.wasRunning) return false;
  await announce(deps, key, outcome.rows);
  if (outcome.conversation.phase === "model") await wake(deps, key);
  await wakeParent(deps, outcome.conversation, outcome.rows);
  const over = outcome.result.answersCalls ? open : [];
  await cancelCalls(deps, key, idsOf(over));
  await stopChildrenOf(deps, key, over);
  return true;
}
