import { latestContainer, loseContainer, type Container } from "../domain/container/container.ts";
import { ensureContainer } from "../domain/container/ensure.ts";
import { isLive, isOverdue, lossOf, needOf, silentMs } from "../domain/container/container.decisions.ts";
import { transition, type Conversation } from "../domain/conversation/conversation.ts";
import { announce } from "../domain/timeline/announce.ts";
import { completeCalls } from "../domain/tool-call/result.decisions.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { fateOf, type Fate } from "../domain/tool-call/tool-call.decisions.ts";
import { completeCall, dispatchCalls, placeCall, type ToolCall } from "../domain/tool-call/tool-call.ts";
import { cancelCalls, idsOf } from "../domain/turn/interrupt.ts";
import { endedWith } from "../domain/turn/open-calls.ts";
import { giveUpTurn } from "../domain/turn/give-up.ts";
import { wake } from "../domain/turn/turn.ts";
import { AppError } from "../errors.ts";
import { watchdogSeconds } from "./finish.ts";
import type { StepDeps } from "./step-deps.ts";
import type { Watching } from "./watch.ts";

/** Containers that one turn may lose before it ends. */
const maxLosses = 2;

interface Fated {
  call: ToolCall;
  fate: Fate;
}

type Doomed = Fated & { fate: Extract<Fate, { kind: "fail" }> };

/** Gives calls that can not complete any more their synthetic results, by the same conditional path as real ones. */
async function failCalls(deps: StepDeps, { key, conversation }: Watching, doomed: Doomed[]): Promise<void> {
  const lost = doomed.some(({ fate }) => fate.lost);
  const outcome = await transition(deps, key, (current, now) => {
    const ended = doomed.map(({ call, fate }) => endedWith(call, fate.output));
    const completed = completeCalls(current, conversation.turn_id ?? "", ended, now);
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

/** Why the container is lost, by its row or by its task; null while it is not, or nobody knows. */
async function findLoss(deps: StepDeps, container: Container, isDoubted: boolean): Promise<string | null> {
  const now = deps.clock.now();
  const loss = lossOf(container, now);
  const isAsked = isOverdue(container, now) || (isDoubted && container.status === "ready");
  if (loss || !container.task_id || !isAsked) return loss;
  const state = await deps.provider.describe(container.task_id).catch(() => null);
  // One that is not known so long after its launch is forgotten: it stopped.
  if (state !== "stopped" && state !== "unknown") return null;
  return container.status === "ready" ? "the task stopped" : "the task stopped before it was ready";
}

/** The newest container as it is once a loss was noticed. `isDoubted`: somebody asked it and had no answer. */
export async function noticeLoss(deps: StepDeps, key: SessionKey, isDoubted = false): Promise<Container | null> {
  const container = await latestContainer(deps.table, key);
  const loss = container && isLive(container) ? await findLoss(deps, container, isDoubted) : null;
  if (!container || !loss) return container;
  await loseContainer(deps, container, loss);
  if (container.task_id) await deps.provider.stop(container.task_id, loss).catch(() => undefined);
  return latestContainer(deps.table, key);
}

/** Nobody waits for this sandbox, and it may be gone: who watches the session is told so, as soon as it is certain. */
export async function watchResting(
  deps: StepDeps,
  key: SessionKey,
  { epoch }: Pick<Conversation, "epoch">,
  hops: number,
): Promise<void> {
  if (epoch === 0) return;
  const container = await noticeLoss(deps, key);
  const wait = container && silentMs(container, deps.clock.now());
  if (wait) await wake(deps, key, Math.ceil(wait / 1000), hops + 1);
}

/** Who opened its epoch may have died before the provider was asked: asked again, it is the same task. */
async function launchAgain(deps: StepDeps, { key }: Watching, container: Container | null): Promise<void> {
  if (!container || needOf(container, deps.clock.now()).kind !== "relaunch") return;
  await ensureContainer(deps, key).catch((error: unknown) => {
    deps.log.warn("no container", { ...key, error: error instanceof Error ? error.message : String(error) });
  });
}

interface Placed {
  calls: ToolCall[];
  container: Container | null;
}

/**
 * Calls that a person let run have no container yet: they get the session's, which may have to start first. Null where
 * the plan allows none, and the turn ended with that.
 */
async function placeCalls(
  deps: StepDeps,
  { key, conversation, calls }: Watching,
  container: Container | null,
): Promise<Placed | null> {
  if (calls.every(({ epoch }) => epoch > 0)) return { calls, container };
  try {
    const { epoch } = await ensureContainer(deps, key);
    const now = deps.clock.now();
    const placed = await Promise.all(
      calls.map(async (call) => (call.epoch > 0 ? call : placeCall(deps.table, call, epoch, now))),
    );
    return { calls: placed.filter((call) => call !== null), container: await latestContainer(deps.table, key) };
  } catch (error) {
    if (!(error instanceof AppError && error.code === "quota_exceeded")) throw error;
    const ending = { reason: "error" as const, error: { code: error.code, message: error.message } };
    await giveUpTurn(deps, key, ending, `Not run. ${error.message}.`, conversation.turn_id);
    return null;
  }
}

async function endForLosses(deps: StepDeps, { key, conversation }: Watching): Promise<null> {
  const error = { code: "sandbox_unavailable" as const, message: "The sandbox was lost again and again" };
  await giveUpTurn(deps, key, { reason: "sandbox_lost", error }, "The sandbox was lost.", conversation.turn_id);
  return null;
}

/** Places, sends, and gives up what can not complete any more. */
export async function watchSandbox(deps: StepDeps, watching: Watching): Promise<number | null> {
  const { key, conversation } = watching;
  const newest = await noticeLoss(deps, key);
  await launchAgain(deps, watching, newest);
  const placed = await placeCalls(deps, watching, newest);
  if (!placed) return null;
  const { calls, container } = placed;
  const now = deps.clock.now();
  const fates = calls.map((call): Fated => ({ call, fate: fateOf(call, container, conversation.checkpoint, now) }));
  const doomed = fates.filter((one): one is Doomed => one.fate.kind === "fail");
  if (doomed.some(({ fate }) => fate.lost) && conversation.losses >= maxLosses) return endForLosses(deps, watching);
  if (doomed.length > 0) await failCalls(deps, watching, doomed);
  await cancelCalls(deps, key, idsOf(doomed.filter(({ fate }) => !fate.lost).map(({ call }) => call)));
  const unsent = fates.filter(({ fate }) => fate.kind === "send").map(({ call }) => call);
  if (container && unsent.length > 0) await dispatchCalls(deps, container, unsent);
  return doomed.length === fates.length ? null : now + watchdogSeconds * 1000;
}
