import type { Item } from "../table/expressions.ts";
import type { MemoryTable } from "../table/memory-table.ts";

export interface StoredConversation extends Item {
  session_id: string;
  status: string;
  phase: string;
  head: number;
  epoch: number;
  queue: { turn_id: string }[];
  due_at?: number;
  operation?: string;
  container_wanted_until?: number;
}

/** What the table holds, read straight: for the checks, and to know when a world is at rest. */
export function rowsOf(table: MemoryTable, entity: string): Item[] {
  const found: Item[] = [];
  for (const item of table.itemsOf(null)) if (item["__edb_e__"] === entity) found.push(item);
  return found;
}

export function conversationsOf(table: MemoryTable): StoredConversation[] {
  return table.alike("$conversation_1") as StoredConversation[];
}

export interface Asked {
  approval_id: string;
  isQuestion: boolean;
}

export function openApprovals(table: MemoryTable, session: string): Asked[] {
  const asked = rowsOf(table, "toolCall").filter(
    ({ session_id, state, handler }) =>
      session_id === session && state === "pending" && (handler === "approval" || handler === "question"),
  );
  return asked.map(({ approval_id, handler }) => {
    return { approval_id: String(approval_id), isQuestion: handler === "question" };
  });
}

/** The turns that wait, in their order. */
export function waitingTurns(table: MemoryTable, session: string): string[] {
  const conversation = conversationsOf(table).find(({ session_id }) => session_id === session);
  return (conversation?.queue ?? []).map(({ turn_id }) => turn_id);
}

export function checkpointsOf(table: MemoryTable, session: string): number[] {
  const own = rowsOf(table, "gitCheckpoint").filter(({ session_id }) => session_id === session);
  return own.map(({ number }) => Number(number)).toSorted((one, other) => one - other);
}
