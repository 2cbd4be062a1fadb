import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { MarkReadAnswer } from "../../protocol/inbox.ts";
import { readConversation } from "../conversation/conversation.ts";
import type { SessionKey } from "../timeline/row.ts";

async function unlessRefused(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (isConditionFailure(error)) return false;
    throw error;
  }
}

/**
 * The user has read the session up to `seq`; less than before changes nothing. An answer that is committed meanwhile stays
 * unread: its row has a later `unread_seq`. Throws `not_found`.
 */
export async function markRead(table: Table, key: SessionKey, user_id: string, seq: number): Promise<MarkReadAnswer> {
  const conversation = await readConversation(table, key);
  if (!conversation) throw new AppError("not_found");
  const { tenant_id, session_id } = key;
  const place = { tenant_id, session_id, user_id };
  const upTo = Math.min(seq, conversation.head);
  const { inboxMark } = rows(table).entities;
  await unlessRefused(
    inboxMark
      .patch(place)
      .remove(["unread_seq", "unread_of", "unread_at"])
      .where(({ unread_seq }, { lte }) => lte(unread_seq, upTo))
      .go(),
  );
  await unlessRefused(
    inboxMark
      .upsert(place)
      .set({ read_seq: upTo })
      .where(({ read_seq }, { notExists, lt }) => `${notExists(read_seq)} OR ${lt(read_seq, upTo)}`)
      .go(),
  );
  const { data } = await inboxMark.get(place).go({ consistent: true });
  return { session_id, read_seq: data?.read_seq ?? upTo, unread: data?.unread_seq !== undefined };
}
