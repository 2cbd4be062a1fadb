import type { Ids } from "../../ports/ids.ts";
import type { Log } from "../../ports/log.ts";
import type { Amounts } from "../../protocol/budget.ts";
import type { WorkQueue } from "../../ports/work-queue.ts";
import { transition, type Conversation, type ConversationDeps } from "../conversation/conversation.ts";
import { announce, type AnnounceDeps } from "../timeline/announce.ts";
import type { SessionKey, TimelineRow } from "../timeline/row.ts";
import { completeCalls, type CallResult } from "../tool-call/result.decisions.ts";
import { completeCall, type OpenCall } from "../tool-call/tool-call.ts";
import { endTurn, type CheckpointOutcome, type TurnEnding } from "./turn.decisions.ts";

export interface TurnDeps extends ConversationDeps, AnnounceDeps {
  clock: ConversationDeps["clock"];
  ids: Ids;
  /** Wake-ups are hints: a process that may not send any leaves them to the sweeper. */
  queue: Pick<WorkQueue, "send">;
  log: Log;
}

/** Wakes a worker. Losing this costs time only: the sweeper finds what is due. */
export async function wake(
  deps: Pick<TurnDeps, "queue" | "log">,
  key: SessionKey,
  delaySeconds = 0,
  hops = 0,
): Promise<void> {
  try {
    const { tenant_id, session_id } = key;
    await deps.queue.send({ tenant_id, session_id, hops }, delaySeconds);
  } catch (error) {
    deps.log.warn("wake-up lost", { ...key, error: error instanceof Error ? error.message : String(error) });
  }
}

/** Who waits for a delegated turn learns of its end. Losing this costs time only: the parent looks again and again. */
export async function wakeParent(
  deps: Pick<TurnDeps, "queue" | "log">,
  { tenant_id, reports_to }: Conversation,
  committed: TimelineRow[],
): Promise<void> {
  if (!reports_to) return;
  const { session_id, own_turn_id } = reports_to;
  const isOver = committed.some(
    (row) => row.kind === "event" && row.type === "turn.ended" && row.turn_id === own_turn_id,
  );
  if (isOver) await wake(deps, { tenant_id, session_id });
}

/** T4 for one result that the sandbox sent, or a delegated session (`spent`). False where it came too late, or twice: the first one counts. */
export async function acceptResult(
  deps: TurnDeps,
  conversation: Conversation,
  call: OpenCall,
  result: CallResult,
  proof: { nonce: string; epoch: number } | null,
  spent?: Amounts,
): Promise<boolean> {
  const key = { tenant_id: call.tenant_id, session_id: call.session_id };
  const outcome = await transition(
    deps,
    key,
    (current, now) => {
      const completed = completeCalls(current, call.turn_id, [{ call, result, spent }], now);
      return completed && { ...completed, extra: (entities) => [completeCall(entities, call, proof)] };
    },
    conversation,
  );
  if (outcome.kind !== "committed") return false;
  const telling = announce(deps, key, outcome.rows, [], outcome.conversation.watch_version);
  await Promise.all([telling, ...(outcome.result.last ? [wake(deps, key)] : [])]);
  return true;
}

/** T5. False where the turn had ended before. */
export async function closeTurn(
  deps: TurnDeps,
  key: SessionKey,
  turnId: string,
  decideEnding: (conversation: Conversation) => TurnEnding | null,
  outcomeOf: (conversation: Conversation) => CheckpointOutcome,
): Promise<boolean> {
  const outcome = await transition(deps, key, (conversation, now) => {
    if (conversation.turn_id !== turnId) return null;
    const ending = decideEnding(conversation);
    return ending && endTurn(conversation, ending, outcomeOf(conversation), now);
  });
  if (outcome.kind !== "committed") return false;
  await announce(deps, key, outcome.rows);
  if (outcome.conversation.phase === "model") await wake(deps, key);
  await wakeParent(deps, outcome.conversation, outcome.rows);
  return true;
}
