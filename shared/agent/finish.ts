import { takeCheckpoint } from "../domain/checkpoint/checkpoint.ts";
import { latestContainer, type Container } from "../domain/container/container.ts";
import { lossOf } from "../domain/container/container.decisions.ts";
import { transition, type Conversation, type Decide } from "../domain/conversation/conversation.ts";
import { announce } from "../domain/timeline/announce.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { callsOfStep } from "../domain/tool-call/tool-call.ts";
import { cancelCalls, idsOf, stopChildren } from "../domain/turn/interrupt.ts";
import { finish, nextMove } from "../domain/turn/turn.decisions.ts";
import { wake, wakeParent } from "../domain/turn/turn.ts";
import { checkpointWaitMs, watchdogMs } from "../domain/turn/waits.ts";
import type { StepDeps } from "./step-deps.ts";

export const watchdogSeconds = watchdogMs / 1000;

export function isUp(container: Container | null, now: number): boolean {
  return container?.status === "ready" && lossOf(container, now) === null;
}

/** After a commit: all of this may be lost, the watchdog and the sweeper bring it back. */
export async function follow(
  deps: StepDeps,
  key: SessionKey,
  conversation: Conversation,
  container: Container | null,
  hops: number,
): Promise<void> {
  // Who waits for persons is found at their deadline; nobody looks before.
  if (conversation.status === "waiting") return;
  if (conversation.phase === "tools") return wake(deps, key, watchdogSeconds, hops + 1);
  if (conversation.phase === "checkpoint") {
    if (container) await takeCheckpoint(deps, conversation, container);
    return wake(deps, key, Math.ceil(checkpointWaitMs / 1000), hops + 1);
  }
  if (conversation.phase === "model") await wake(deps, key, 0, hops + 1);
}

/** A transition that ends the turn, through its checkpoint where there is a workspace to keep. */
export async function endBy<T>(
  deps: StepDeps,
  key: SessionKey,
  hops: number,
  decide: (current: Conversation, hasWorkspace: boolean, now: number) => ReturnType<Decide<T>>,
): Promise<{ result: T } | null> {
  const container = await latestContainer(deps.table, key);
  const hasWorkspace = isUp(container, deps.clock.now());
  const outcome = await transition(deps, key, (current, now) => decide(current, hasWorkspace, now));
  if (outcome.kind !== "committed") return null;
  await announce(deps, key, outcome.rows);
  await follow(deps, key, outcome.conversation, container, hops);
  await wakeParent(deps, outcome.conversation, outcome.rows);
  return outcome;
}

/** The turn's model is not asked again: it was interrupted, or came to a limit. */
export async function finishTurn(
  deps: StepDeps,
  key: SessionKey,
  conversation: Conversation,
  hops: number,
): Promise<void> {
  // Who interrupted may have died before it told the sandbox, and the sub-sessions.
  if (conversation.interrupt_at !== undefined) {
    const calls = await callsOfStep(deps.table, conversation);
    await cancelCalls(deps, key, idsOf(calls));
    await stopChildren(deps, calls);
  }
  await endBy(deps, key, hops, (current, hasWorkspace, now) => {
    const move = nextMove(current, now);
    return move.kind === "finish" ? finish(current, move.ending, hasWorkspace, now) : null;
  });
}
