import { transition, type Conversation } from "../domain/conversation/conversation.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { handlerOf } from "../domain/tool-call/route.decisions.ts";
import { pendingCalls, type CallHandler, type ToolCall } from "../domain/tool-call/tool-call.ts";
import { resumeWithoutCalls } from "../domain/turn/repair.ts";
import { wake } from "../domain/turn/turn.ts";
import type { StepDeps } from "./step-deps.ts";
import { watchDelegates } from "./watch-delegates.ts";
import { watchPersons } from "./watch-persons.ts";
import { watchSandbox } from "./watch-sandbox.ts";

/** The pending calls of one handler, as a look finds them. */
export interface Watching {
  key: SessionKey;
  conversation: Conversation;
  calls: ToolCall[];
}

/**
 * Does what the calls need, and says when somebody has to look again at the latest, in milliseconds; null where none of
 * them is left. It may be called twice at once, and after a crash at any point of it.
 */
export type Watch = (deps: StepDeps, watching: Watching) => Promise<number | null>;

const watches: readonly { handlers: CallHandler[]; watch: Watch }[] = [
  { handlers: ["approval", "question"], watch: watchPersons },
  { handlers: ["delegate"], watch: watchDelegates },
  { handlers: ["sandbox"], watch: watchSandbox },
];

/** The queue keeps a wake-up no longer; past that the sweeper brings it. */
const maxDelayMs = 900_000;
/** The sweeper leaves the next look to its wake-up for so long. */
const sweepAfterMs = 15_000;

/** What a turn in the phase `tools` needs: each handler looks after its own. */
export async function watchTools(
  deps: StepDeps,
  key: SessionKey,
  conversation: Conversation,
  hops: number,
): Promise<void> {
  const pending = await pendingCalls(deps.table, conversation);
  if (pending.length === 0) return resumeWithoutCalls(deps, key, conversation);
  const looks: number[] = [];
  for (const { handlers, watch } of watches) {
    const calls = pending.filter((call) => handlers.includes(handlerOf(call)));
    const look = calls.length > 0 ? await watch(deps, { key, conversation, calls }) : null;
    if (look !== null) looks.push(look);
  }
  // Who waits for persons only is due at their deadline: nothing to write, nobody to wake.
  if (looks.length === 0 || conversation.status === "waiting") return;
  const now = deps.clock.now();
  const delayMs = Math.min(Math.max(0, Math.min(...looks) - now), maxDelayMs);
  const kept = await transition(deps, key, (current, at) => {
    const isOver = current.phase !== "tools" || current.turn_id !== conversation.turn_id;
    if (isOver || current.status === "waiting") return null;
    return { rows: [], change: { due_at: at + delayMs + sweepAfterMs, watched_at: at + delayMs }, result: null };
  });
  if (kept.kind === "committed") await wake(deps, key, Math.ceil(delayMs / 1000), hops + 1);
}
