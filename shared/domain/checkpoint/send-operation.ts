import type { Container } from "../container/container.ts";
import { sendCommand } from "../container/command.ts";
import type { Conversation } from "../conversation/conversation.ts";
import type { MergeOperation, RestoreOperation, WorkspaceOperation } from "./operation.decisions.ts";
import { authorOf, coAuthor, pushTarget, subjectOf, type TakeDeps } from "./checkpoint.ts";
import { letsSecrets } from "./secrets.decisions.ts";

/** The subject of the commit that a restore makes. */
export function restoreMessage({ number, message }: Pick<RestoreOperation, "number" | "message">): string {
  return subjectOf(`Restore checkpoint ${number}: ${message}`);
}

/** Tells the sandbox what a person wants of the workspace. One that has it already reports the same again. */
export async function sendOperation(
  deps: Omit<TakeDeps, "objects">,
  container: Container,
  conversation: Conversation,
  operation: Exclude<WorkspaceOperation, MergeOperation>,
): Promise<void> {
  const { tenant_id, session_id } = conversation;
  const key = { tenant_id, session_id };
  const [push, author] = await Promise.all([pushTarget(deps, key), authorOf(deps.table, key, operation.user_id)]);
  const by = { author, co_author: coAuthor, push, allow_secrets: letsSecrets(conversation) };
  if (operation.kind === "checkpoint") {
    const { id: turn_id, message } = operation;
    await sendCommand(deps, container, { type: "checkpoint.take", turn_id, message, ...by });
    return;
  }
  await sendCommand(deps, container, {
    type: "checkpoint.restore",
    operation_id: operation.id,
    tree: operation.tree,
    message: restoreMessage(operation),
    before_message: `Before restoring checkpoint ${operation.number}`,
    ...by,
  });
}
