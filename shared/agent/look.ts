import { latestContainer, loseContainer, type Container } from "../domain/container/container.ts";
import { isLive, lossOf } from "../domain/container/container.decisions.ts";
import { readConversation, transition, type Conversation } from "../domain/conversation/conversation.ts";
import { announce } from "../domain/timeline/announce.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { fateOf, type Fate } from "../domain/tool-call/tool-call.decisions.ts";
import { completeCall, dispatchCalls, pendingCalls, type ToolCall } from "../domain/tool-call/tool-call.ts";
import { completeCalls } from "../domain/tool-call/result.decisions.ts";
import { cancelCalls, idsOf } from "../domain/turn/interrupt.ts";
import { syntheticResult } from "../domain/turn/open-calls.ts";
import { closeTurn, giveUpTurn, wake } from "../domain/turn/turn.ts";
import { nextMove } from "../domain/turn/turn.decisions.ts";
import type { WakeUp } from "../protocol/wake-up.ts";
import type { StepDeps } from "./step-deps.ts";
import { finishTurn, watchdogSeconds } from "./finish.ts";
import { runStep } from "./step.ts";

/** A chain of wake-ups ends here; the sweeper starts a new one if there still is work. */
const maxHops = 1000;
/** Containers that one turn may lose before it ends. */
const maxLosses = 2;
const watchIntervalMs = 30_000;

interface Doomed {
  call: ToolCall;
  fate: Extract<Fate, { kind: "fail" }>;
}

/** Gives calls that can not complete any more their synthetic results, by the same conditional path as real ones. */
async function failCalls(deps: StepDeps, key: SessionKey, turnId: string, doomed: Doomed[]): Promise<void> {
  const lost = doomed.some(({ fate }) => fate.lost);
  const outcome = await transition(deps, key, (current, now) => {
    const results = doomed.map(({ call, fate }) => syntheticResult(call, fate.output));
    const completed = completeCalls(current, turnId, results, now);
    return (
      completed && {
        ...completed,
        change: { ...completed.change, ...(lost ? { losses: current.losses + 1 } : {}) },
        extra: (entities) => doomed.map(({ call }) => completeCall(entities, call, null)),
      }
    );
  });
  // Refused: a real result was first for one of them. The next look sees what is left.
  if (outcome.kind !== "committed") return;
  await announce(deps, key, outcome.rows);
  if (outcome.result.last) await wake(deps, key);
}

async function noticeLoss(deps: StepDeps, container: Container | null): Promise<void> {
  if (!container || !isLive(container)) return;
  const loss = lossOf(container, deps.clock.now());
  if (!loss) return;
  await loseContainer(deps, container, loss);
  if (container.task_id) await deps.provider.stop(container.task_id, loss).catch(() => undefined);
}

async function watchTools(deps: StepDeps, key: SessionKey, conversation: Conversation, hops: number): Promise<void> {
  const [calls, container] = await Promise.all([
    pendingCalls(deps.table, conversation),
    latestContainer(deps.table, key),
  ]);
  const now = deps.clock.now();
  await noticeLoss(deps, container);
  const fates = calls.map((call) => ({ call, fate: fateOf(call, container, conversation.checkpoint, now) }));
  const doomed = fates.filter((one): one is Doomed => one.fate.kind === "fail");
  if (doomed.some(({ fate }) => fate.lost) && conversation.losses >= maxLosses) {
    const error = { code: "sandbox_unavailable" as const, message: "The sandbox was lost again and again" };
    await giveUpTurn(deps, key, { reason: "sandbox_lost", error }, "The sandbox was lost.", conversation.turn_id);
    return;
  }
  if (doomed.length > 0) await failCalls(deps, key, conversation.turn_id ?? "", doomed);
  const late = doomed.filter(({ fate }) => !fate.lost).map(({ call }) => call);
  await cancelCalls(deps, key, idsOf(late));
  const unsent = fates.filter(({ fate }) => fate.kind === "send").map(({ call }) => call);
  if (container && unsent.length > 0) await dispatchCalls(deps, container, unsent);
  if (doomed.length === fates.length) return;
  await transition(deps, key, (current, at) =>
    current.phase === "tools" ? { rows: [], change: { due_at: at + watchIntervalMs }, result: null } : null,
  );
  await wake(deps, key, watchdogSeconds, hops + 1);
}

/** What a wake-up asks for: look at the session, do what its state says, and no more. It may be deleted meanwhile. */
export async function lookAtSession(deps: StepDeps, wakeUp: WakeUp): Promise<void> {
  const { tenant_id, session_id } = wakeUp;
  try {
    await look(deps, wakeUp);
  } catch (error) {
    if (await readConversation(deps.table, { tenant_id, session_id })) throw error;
    deps.log.info("session is gone", { tenant_id, session_id });
  }
}

async function look(deps: StepDeps, wakeUp: WakeUp): Promise<void> {
  const { tenant_id, session_id, hops } = wakeUp;
  const key = { tenant_id, session_id };
  const conversation = hops > maxHops ? null : await readConversation(deps.table, key);
  if (!conversation) return;
  const move = nextMove(conversation, deps.clock.now());
  switch (move.kind) {
    case "rest":
    case "leave":
    case "await_checkpoint":
      return;
    case "run_step":
      return runStep(deps, key, conversation, hops);
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
