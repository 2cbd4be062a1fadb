import type { Conversation } from "../conversation/conversation.ts";

/** People let go what was held up to now. What looks like a secret later is held again. */
export function letsSecrets({
  secrets_allowed,
  checkpoint,
}: Pick<Conversation, "secrets_allowed" | "checkpoint">): boolean {
  return secrets_allowed !== undefined && secrets_allowed >= checkpoint;
}
