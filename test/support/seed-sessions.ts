import { rows, type Table } from "../../shared/data/service.ts";
import { attentionOf, counterShardOf, unreadOf } from "../../shared/domain/inbox/inbox.decisions.ts";
import { columnFields } from "../../shared/domain/session/columns.ts";
import { emptyConversation } from "../../shared/domain/session/first-rows.ts";
import { placesOf, positionText } from "../../shared/domain/session/session-keys.decisions.ts";
import { wordItems } from "../../shared/domain/session/words.ts";
import { nullText } from "../../shared/protocol/json-text.ts";
import type { InboxStatus } from "../../shared/protocol/session.ts";

export interface SeededSession {
  session_id: string;
  title: string;
  repo_url: string;
  parent?: string;
  inbox_status: InboxStatus;
  /** The newest is the last in a list. */
  last_activity_at: number;
  /** Its last turn failed. */
  failed: boolean;
  /** An answer that the owner has not read. */
  unread: boolean;
}

interface Owner {
  tenant_id: string;
  user_id: string;
}

type Entities = Parameters<Parameters<ReturnType<typeof rows>["transaction"]["write"]>[0]>[0];

function itemsOf(entities: Entities, { tenant_id, user_id }: Owner, seeded: SeededSession) {
  const { session_id, failed, unread, last_activity_at: at, ...fields } = seeded;
  const session = { tenant_id, session_id, ...fields, last_activity_at: at };
  const time = positionText({ at, id: session_id });
  const attention = failed
    ? { status: "failed" as const, attention_of: attentionOf(tenant_id, "failed"), attention_at: time }
    : {};
  const mark = { unread_seq: 3, unread_of: unreadOf(tenant_id, user_id), unread_at: time };
  return [
    entities.session
      .create({
        ...session,
        ...columnFields("messages", nullText),
        ...columnFields("sbx_config", nullText),
        ...placesOf(session),
        repo: fields.repo_url,
        branch: `work-${session_id.slice(0, 6)}`,
        created_by: user_id,
        created_at: at,
        updated_at: at,
      })
      .commit(),
    entities.conversation
      .create({ ...emptyConversation({ tenant_id, session_id }, at), ...attention, followers: [user_id] })
      .commit(),
    ...wordItems(entities, { tenant_id, session_id }, null, fields.title),
    ...(unread ? [entities.inboxMark.upsert({ tenant_id, session_id, user_id }).set(mark).commit()] : []),
  ];
}

/** Rows of a session at most, so that a transaction holds its hundred. */
const mostRows = 12;
const sessionsAtOnce = Math.floor(100 / mostRows);

/** Writes sessions as their creation would, several in one transaction. */
export async function seedSessions(table: Table, owner: Owner, sessions: SeededSession[]): Promise<void> {
  const platform = rows(table);
  for (let from = 0; from < sessions.length; from += sessionsAtOnce) {
    const part = sessions.slice(from, from + sessionsAtOnce);
    const answer = await platform.transaction
      .write((entities) => part.flatMap((session) => itemsOf(entities, owner, session)))
      .go();
    if (answer.canceled) throw new Error("the sessions are there already");
  }
  const shards = new Map<number, Partial<Record<InboxStatus, number>>>();
  for (const { session_id, inbox_status } of sessions) {
    const counts = shards.get(counterShardOf(session_id)) ?? {};
    shards.set(counterShardOf(session_id), { ...counts, [inbox_status]: (counts[inbox_status] ?? 0) + 1 });
  }
  for (const [shard, counts] of shards) {
    await platform.entities.inboxCounter.upsert({ tenant_id: owner.tenant_id, shard }).add(counts).go();
  }
}
