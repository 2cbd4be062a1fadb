import { readConversation, type Conversation } from "../domain/conversation/conversation.ts";
import { isForsaken } from "../domain/delegate/forsaken.ts";
import { stopTurn } from "../domain/turn/interrupt.ts";
import { closeTurn } from "../domain/turn/turn.ts";
import { modelFor } from "../domain/turn/postpone.decisions.ts";
import { isPool } from "../domain/warm/warm.decisions.ts";
import { refill } from "../domain/warm/refill.ts";
import { nextMove } from "../domain/turn/turn.decisions.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import type { WakeUp } from "../protocol/wake-up.ts";
import { runCompaction } from "./compact.ts";
import { finishTurn } from "./finish.ts";
import type { StepDeps } from "./step-deps.ts";
import { serveOperation } from "./serve-operation.ts";
import { serveWish } from "./serve-wish.ts";
import { runStep } from "./step.ts";
import { watchResting } from "./watch-sandbox.ts";
import { watchTools } from "./watch.ts";

/** A chain of wake-ups ends here; the sweeper starts a new one if there still is work. */
const maxHops = 1000;

/** What a wake-up asks for: look at the session, do what its state says, and no more. It may be deleted meanwhile. */
export async function lookAtSession(deps: StepDeps, wakeUp: WakeUp): Promise<void> {
  const { tenant_id, session_id } = wakeUp;
  if (isPool(wakeUp)) return refill(deps, deps.warm?.wanted ?? 0);
  try {
    await look(deps, wakeUp);
  } catch (error) {
    if (await readConversation(deps.table, { tenant_id, session_id })) throw error;
    deps.log.info("session is gone", { tenant_id, session_id });
  }
}

/** The model of a step is the one that is asked now: it is priced, and its transcript is made, as such. */
function askingModel(deps: StepDeps, conversation: Conversation): StepDeps {
  return { ...deps, turnModel: modelFor(conversation, deps, deps.clock.now()) };
}

async function look(deps: StepDeps, wakeUp: WakeUp): Promise<void> {
  const { tenant_id, session_id, hops } = wakeUp;
  const key = { tenant_id, session_id };
  const conversation = hops > maxHops ? null : await readConversation(deps.table, key);
  if (!conversation) return;
  // A wish that fails stays on the row: whoever looks next serves it.
  const served = serveWish(deps, key, conversation, hops).catch((error: unknown) => {
    deps.log.warn("wish not served", { ...key, error: error instanceof Error ? error.message : String(error) });
  });
  try {
    await serveOperation(deps, key, conversation, hops);
    await act(deps, key, conversation, hops);
  } finally {
    await served;
  }
}

async function act(deps: StepDeps, key: SessionKey, conversation: Conversation, hops: number): Promise<void> {
  const move = nextMove(conversation, deps.clock.now());
  const works = move.kind === "run_step" || move.kind === "compact" || move.kind === "watch_tools";
  if (works && (await isForsaken(deps.table, conversation))) return stopTurn(deps, key, conversation.turn_id ?? "");
  switch (move.kind) {
    case "rest":
      return watchResting(deps, key, conversation, hops);
    case "leave":
    case "await_checkpoint":
      return;
    case "run_step":
      return runStep(askingModel(deps, conversation), key, conversation, hops);
    case "compact":
      return runCompaction(askingModel(deps, conversation), key, conversation, hops);
    case "watch_tools":
      return watchTools(deps, key, conversation, hops);
    case "finish":
      return finishTurn(deps, key, conversation, hops);
    case "end_turn":
      await closeTurn(
        deps,
        key,
        conversation.turn_id ?? "",
        (current) => {
          const again = nextMove(current, deps.clock.now());
          return again.kind === "end_turn" ? again.ending : null;
        },
        () => ({ checkpoint: null, pending: true }),
      );
  }
}
