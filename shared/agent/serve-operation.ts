import {
  endOperation,
  needsItsSandbox,
  operationOf,
  type WorkspaceOperation,
} from "../domain/checkpoint/operation.decisions.ts";
import { restoreOffline } from "../domain/checkpoint/restore-offline.ts";
import { sendOperation } from "../domain/checkpoint/send-operation.ts";
import { hasNotEnded } from "../domain/container/container.decisions.ts";
import { loseContainer, type Container } from "../domain/container/container.ts";
import { transition, type Conversation } from "../domain/conversation/conversation.ts";
import { concludeMerge } from "../domain/merge/conclude.ts";
import { announce } from "../domain/timeline/announce.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { wake } from "../domain/turn/turn.ts";
import type { ErrorCode } from "../protocol/error-code.ts";
import { AppError } from "../errors.ts";
import { watchdogSeconds } from "./finish.ts";
import type { StepDeps } from "./step-deps.ts";
import { noticeLoss } from "./watch-sandbox.ts";

/** False where a sandbox had a word since it was looked at. */
async function failOperation(
  deps: StepDeps,
  key: SessionKey,
  { id, until }: WorkspaceOperation,
  error: { code: ErrorCode; message: string },
): Promise<boolean> {
  const outcome = await transition(deps, key, (current, now) => {
    if (operationOf(current)?.until !== until) return null;
    return endOperation(current, id, { rows: [], change: {}, checkpoint: current.checkpoint || null, error }, now);
  });
  if (outcome.kind !== "committed") return false;
  await announce(deps, key, outcome.rows);
  if (outcome.conversation.phase === "model") await wake(deps, key);
  return true;
}

/** The container that is to do it; null where none can any more. One that may change files and takes too long has to go. */
async function workingContainer(
  deps: StepDeps,
  key: SessionKey,
  operation: WorkspaceOperation,
): Promise<Container | null> {
  const container = await noticeLoss(deps, key);
  if (!container || !hasNotEnded(container)) return null;
  if (operation.until > deps.clock.now()) return container;
  if (!needsItsSandbox(operation)) return null;
  const reason = `it did not ${operation.kind} its files in time`;
  await loseContainer(deps, container, reason);
  if (container.task_id) await deps.provider.stop(container.task_id, reason).catch(() => undefined);
  return null;
}

/** Ends without a sandbox what one was asked for; false where one came in between. */
async function endWithout(deps: StepDeps, key: SessionKey, operation: WorkspaceOperation): Promise<boolean> {
  try {
    if (operation.kind === "restore") return await restoreOffline(deps, key);
    const isLate = operation.until <= deps.clock.now();
    const message = isLate ? "The sandbox did not answer in time" : "The sandbox went away";
    return await failOperation(deps, key, operation, { code: "sandbox_unavailable", message });
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "busy") throw error;
    return failOperation(deps, key, operation, { code: error.code, message: error.message });
  }
}

/**
 * Carries out what a person wants of the workspace: in the container that runs, which reports what came of it, or without
 * one. Whoever looks again does no harm.
 */
export async function serveOperation(
  deps: StepDeps,
  key: SessionKey,
  conversation: Conversation,
  hops: number,
): Promise<void> {
  const operation = operationOf(conversation);
  if (!operation) return;
  if (operation.kind === "merge" && operation.report) return concludeMerge(deps, key, operation.id, operation.report);
  const container = await workingContainer(deps, key, operation);
  const isOver = container === null && (await endWithout(deps, key, operation));
  if (isOver) return;
  if (container?.status === "ready" && operation.kind !== "merge")
    await sendOperation(deps, container, conversation, operation);
  await wake(deps, key, watchdogSeconds, hops + 1);
}
