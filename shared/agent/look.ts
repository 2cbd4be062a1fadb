import { latestContainer, loseContainer, type Container } from "../domain/container/container.ts";
import { sendCommand } from "../domain/container/command.ts";
import { isLive, lossOf } from "../domain/container/container.decisions.ts";
import { readConversation, transition, type Conversation } from "../domain/conversation/conversation.ts";
import { announce } from "../domain/timeline/announce.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { fateOf, type Fate } from "../domain/tool-call/tool-call.decisions.ts";
import { completeCall, dispatchCalls, pendingCalls, type ToolCall } from "../domain/tool-call/tool-call.ts";
import { closeTurn, giveUpTurn, wake } from "../domain/turn/turn.ts";
import { completeCalls, type CallResult } from "../domain/tool-call/result.decisions.ts";
import { nextMove } from "../domain/turn/turn.decisions.ts";
import type { WakeUp } from "../protocol/wake-up.ts";
import type { StepDeps } from "./step-deps.ts";
import { runStep, watchdogSeconds } from "./step.ts";

/** A chain of wake-ups ends here; the sweeper starts a new one if there still is work. */
const maxHops = 1000;
/** Containers that one turn may lose before it ends. */
const maxLosses = 2;
const watchIntervalMs = 30_000;

interface Doomed {
  call: ToolCall;
  fate: Extract<Fate, { kind: "fail" }>;
}

function resultOf({ call, fate }: Doomed): CallResult {
  const { call_id, name } = call;
  const output_bytes = Buffer.byteLength(fate.output);
  return { call_id, name, is_error: true, output: fate.output, output_bytes, object_key: null, duration_ms: null };
}

/** Gives calls that can not complete any more their synthetic results, by the same conditional path as real ones. */
async function failCalls(deps: StepDeps, key: SessionKey, turnId: string, doomed: Doomed[]): Promise<void> {
  const lost = doomed.some(({ fate }) => fate.lost);
  const outcome = await transition(deps, key, (current, now) => {
    const completed = completeCalls(current, turnId, doomed.map(resultOf), now);
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

/** What still runs there would work for nobody. */
async function cancelCalls(deps: StepDeps, container: Container | null, doomed: Doomed[]): Promise<void> {
  if (!container || !isLive(container)) return;
  for (const { call, fate } of doomed) {
    if (!fate.lost) await sendCommand(deps, container, { type: "tool.cancel", call_id: call.call_id });
  }
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
    await giveUpTurn(deps, key, { reason: "sandbox_lost", error }, "The sandbox was lost.");
    return;
  }
  if (doomed.length > 0) await failCalls(deps, key, conversation.turn_id ?? "", doomed);
  await cancelCalls(deps, container, doomed);
  const unsent = fates.filter(({ fate }) => fate.kind === "send").map(({ call }) => call);
  if (container && unsent.length > 0) await dispatchCalls(deps, container, unsent);
  if (doomed.length === fates.length) return;
  await transition(deps, key, (current, at) =>
    current.phase === "tools" ? { rows: [], change: { due_at: at + watchIntervalMs }, result: null } : null,
  );
  await wake(deps, key, watchdogSeconds, hops + 1);
}

/** What a wake-up asks for: look at the session, do what its state says, and no more. */
export async function lookAtSession(deps: StepDeps, wakeUp: WakeUp): Promise<void> {
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
    case "end_turn": {
      const pending = conversation.phase === "checkpoint";
      await closeTurn(
        deps,
        key,
        conversation.turn_id ?? "",
        (current) => {
          const again = nextMove(current, deps.clock.now());
          return again.kind === "end_turn" ? again.ending : null;
        },
        () => ({ checkpoint: null, pending }),
      );
    }
  }
}
