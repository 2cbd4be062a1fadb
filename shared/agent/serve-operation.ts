import { endOperation, operationOf, type WorkspaceOperation } from "../domain/checkpoint/operation.decisions.ts";
import { restoreOffline } from "../domain/checkpoint/restore-offline.ts";
import { sendOperation } from "../domain/checkpoint/send-operation.ts";
import { hasNotEnded } from "../domain/container/container.decisions.ts";
import { loseContainer, type Container } from "../domain/container/container.ts";
import { transition, type Conversation } from "../domain/conversation/conversation.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { wake } from "../domain/turn/turn.ts";
import type { ErrorCode } from "../protocol/error-code.ts";
import { AppError } from "../errors.ts";
import { watchdogSeconds } from "./finish.ts";
import type { StepDeps } from "./step-deps.ts";
import { noticeLoss } from "./watch-sandbox.ts";

async function failOperation(
  deps: StepDeps,
  key: SessionKey,
  { id }: WorkspaceOperation,
  error: { code: ErrorCode; message: string },
): Promise<void> {
  const outcome = await transition(deps, key, (current, now) =>
    endOperation(current, id, { rows: [], change: {}, checkpoint: current.checkpoint || null, error }, now),
  );
  if (outcome.kind === "committed" && outcome.conversation.phase === "model") await wake(deps, key);
}

/** The container that is to do it; null where none can any more. One that takes too long for a restore has to go. */
async function workingContainer(
  deps: StepDeps,
  key: SessionKey,
  { kind, until }: WorkspaceOperation,
): Promise<Container | null> {
  const container = await noticeLoss(deps, key);
  if (!container || !hasNotEnded(container)) return null;
  if (until > deps.clock.now()) return container;
  if (kind !== "restore") return null;
  const reason = "it did not restore its files in time";
  await loseContainer(deps, container, reason);
  if (container.task_id) await deps.provider.stop(container.task_id, reason).catch(() => undefined);
  return null;
}

/** Ends without a sandbox what one was asked for; false where one came in between. */
async function endWithout(deps: StepDeps, key: SessionKey, operation: WorkspaceOperation): Promise<boolean> {
  try {
    if (operation.kind === "restore") return await restoreOffline(deps, key);
    const error = { code: "sandbox_unavailable" as const, message: "The sandbox went away" };
    await failOperation(deps, key, operation, error);
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "busy") throw error;
    await failOperation(deps, key, operation, { code: error.code, message: error.message });
  }
  return true;
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
  const container = await workingContainer(deps, key, operation);
  const isOver = container === null && (await endWithout(deps, key, operation));
  if (isOver) return;
  if (container?.status === "ready" && operation.kind !== "merge")
    await sendOperation(deps, container, conversation, operation);
  await wake(deps, key, watchdogSeconds, hops + 1);
}
