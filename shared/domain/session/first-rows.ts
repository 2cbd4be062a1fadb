import type { Ids } from "../../ports/ids.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import { dueShardOf } from "../conversation/conversation.ts";
import type { EventRow, MessageRow, NewRow, SessionKey } from "../timeline/row.ts";
import { acceptPrompt } from "../turn/prompt.decisions.ts";
import type { Conversation, ConversationChange } from "../conversation/conversation.ts";
import type { FirstMessage } from "./first-messages.ts";

/** A conversation in which nothing was said. */
export function emptyConversation(key: SessionKey, now: number): Conversation {
  return {
    ...key,
    status: "idle",
    phase: "none",
    step: 0,
    fence: 0,
    lease_until: 0,
    head: 0,
    pending_calls: 0,
    queue: [],
    attempts: 0,
    waiting_since: 0,
    losses: 0,
    epoch: 0,
    checkpoint: 0,
    updated_at: now,
  };
}

function earlier(ids: Pick<Ids, "next">, userId: string, history: FirstMessage[]): NewRow[] {
  const rows: NewRow[] = [];
  let turn_id = "";
  for (const { role, text } of history) {
    const message_id = ids.next(idPrefixes.message);
    const content = [{ type: "text" as const, text }];
    if (role === "user") {
      turn_id = ids.next(idPrefixes.turn);
      const started: EventRow = { kind: "event", type: "turn.started", turn_id, data: {} };
      rows.push({ kind: "message", role, turn_id, message_id, content, user_id: userId }, started);
      continue;
    }
    const row: MessageRow = { kind: "message", role, turn_id, message_id, content };
    rows.push({ ...row, seen_head: rows.length });
  }
  return rows;
}

/** The log that a new session begins with: what was said before, and the prompt that starts the first turn at once. */
export function firstRows(
  ids: Pick<Ids, "next">,
  key: SessionKey,
  userId: string,
  messages: FirstMessage[],
  now: number,
  firstTurnId?: string,
): { rows: NewRow[]; conversation: Conversation } {
  const last = messages.at(-1);
  const prompt = last?.role === "user" ? last : null;
  const rows = earlier(ids, userId, prompt ? messages.slice(0, -1) : messages);
  const empty = { ...emptyConversation(key, now), head: rows.length };
  if (!prompt) return { rows, conversation: empty };
  const accepted = acceptPrompt(
    empty,
    {
      turn_id: firstTurnId ?? ids.next(idPrefixes.turn),
      message_id: ids.next(idPrefixes.message),
      user_id: userId,
      content: [{ type: "text", text: prompt.text }],
    },
    "queue",
    now,
  );
  const all = [...rows, ...accepted.rows];
  return {
    rows: all,
    conversation: { ...empty, ...present(accepted.change), head: all.length, due_shard: dueShardOf(key.session_id) },
  };
}

function present(change: ConversationChange): Partial<Conversation> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== null)) as Partial<Conversation>;
}
