import { rows, type Platform, type Table } from "../../data/service.ts";
import type { SessionKey } from "../timeline/row.ts";

type Entities = Platform["entities"];

const batch = 200;

interface Batches<K> {
  read(): Promise<{ data: K[] }>;
  remove(keys: K[]): Promise<{ unprocessed: unknown[] }>;
}

async function removeEach<K>(keys: K[], remove: Batches<K>["remove"]): Promise<void> {
  let left = keys;
  while (left.length > 0) left = (await remove(left)).unprocessed as K[];
}

/** Reads and deletes until nothing is left: whoever repeats it finds less to do. */
async function empty<K>({ read, remove }: Batches<K>): Promise<void> {
  for (let found = await read(); found.data.length > 0; found = await read()) await removeEach(found.data, remove);
}

const some = { limit: batch, consistent: true } as const;

/** The log's three kinds of rows share one key: they are read together. */
async function emptyTimeline(of: SessionKey, table: Table): Promise<void> {
  const { entities, collections } = rows(table);
  const read = () => collections.timeline(of).go(some);
  for (let isEmpty = false; !isEmpty;) {
    const { chatMessage, sessionEvent, gitCheckpoint } = (await read()).data;
    isEmpty = chatMessage.length + sessionEvent.length + gitCheckpoint.length === 0;
    await removeEach(chatMessage, (keys) => entities.chatMessage.delete(keys).go());
    await removeEach(sessionEvent, (keys) => entities.sessionEvent.delete(keys).go());
    await removeEach(gitCheckpoint, (keys) => entities.gitCheckpoint.delete(keys).go());
  }
}

/** How to empty each other entity whose rows are under a session's own key. */
const emptying = {
  toolCall: (of: SessionKey, { toolCall: entity }: Entities) =>
    empty({
      read: () =>
        entity.query
          .bySession(of)
          .go({ ...some, attributes: ["tenant_id", "session_id", "turn_id", "step", "call_id"] }),
      remove: (keys) => entity.delete(keys).go(),
    }),
  container: (of: SessionKey, { container: entity }: Entities) =>
    empty({
      read: () => entity.query.byEpoch(of).go({ ...some, attributes: ["tenant_id", "session_id", "epoch"] }),
      remove: (keys) => entity.delete(keys).go(),
    }),
  subscription: (of: SessionKey, { subscription: entity }: Entities) =>
    empty({
      read: () => entity.query.bySession(of).go({ ...some, attributes: ["tenant_id", "session_id", "connection_id"] }),
      remove: (keys) => entity.delete(keys).go(),
    }),
  sessionDocument: (of: SessionKey, { sessionDocument: entity }: Entities) =>
    empty({
      read: () => entity.query.bySession(of).go({ ...some, attributes: ["tenant_id", "session_id", "name"] }),
      remove: (keys) => entity.delete(keys).go(),
    }),
  inboxMark: (of: SessionKey, { inboxMark: entity }: Entities) =>
    empty({
      read: () => entity.query.bySession(of).go({ ...some, attributes: ["tenant_id", "session_id", "user_id"] }),
      remove: (keys) => entity.delete(keys).go(),
    }),
} satisfies { [E in keyof Entities]?: (of: SessionKey, entities: Entities) => Promise<void> };

/** Entities whose rows a deleted session's job removes; a test holds every other one to a reason. */
export const removedEntities: readonly string[] = [
  "chatMessage",
  "sessionEvent",
  "gitCheckpoint",
  ...Object.keys(emptying),
];

/** Removes all rows under the session's own key but its ledger and the conversation. */
export async function emptySession(table: Table, { tenant_id, session_id }: SessionKey): Promise<void> {
  const key = { tenant_id, session_id };
  await emptyTimeline(key, table);
  for (const emptyOne of Object.values(emptying)) await emptyOne(key, rows(table).entities);
}
