import type { Item } from "../table/expressions.ts";
import type { MemoryTable } from "../table/memory-table.ts";

export interface StoredConversation extends Item {
  session_id: string;
  status: string;
  phase: string;
  head: number;
  epoch: number;
  due_at?: number;
}

/** What the table holds, read straight: for the checks, and to know when a world is at rest. */
export function rowsOf(table: MemoryTable, entity: string): Item[] {
  return [...table.itemsOf(null)].filter((item) => item["__edb_e__"] === entity);
}

export function conversationsOf(table: MemoryTable): StoredConversation[] {
  return rowsOf(table, "conversation") as StoredConversation[];
}

export function openApprovals(table: MemoryTable, session: string): string[] {
  const asked = rowsOf(table, "toolCall").filter(
    ({ session_id, state, handler }) => session_id === session && state === "pending" && handler === "approval",
  );
  return asked.map(({ approval_id }) => String(approval_id));
}
