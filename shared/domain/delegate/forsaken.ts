import type { Table } from "../../data/service.ts";
import { readConversation, type Conversation } from "../conversation/conversation.ts";
import { isAwaited, worksForParent } from "./delegate.decisions.ts";

/** Whether the session works on a call that nobody waits for any more, because who ended it died before it could say so. */
export async function isForsaken(table: Table, conversation: Conversation): Promise<boolean> {
  const { tenant_id, reports_to } = conversation;
  if (!reports_to || !worksForParent(conversation)) return false;
  const parent = await readConversation(table, { tenant_id, session_id: reports_to.session_id });
  return !isAwaited(parent, reports_to);
}
