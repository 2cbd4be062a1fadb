import { isConditionFailure, isTransactionConflict } from "../../data/conditions.ts";
import { rows, type Table } from "../../data/service.ts";
import type { SessionKey } from "../timeline/row.ts";

const maxTries = 8;

/**
 * Tells whoever keeps a session's watchers that they are others now, after the subscription was written or deleted. Every
 * transition asks for the version that it read: so what it commits is told to all who watched by then (ADR 0045).
 */
export async function raiseWatchVersion(table: Table, { tenant_id, session_id }: SessionKey): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await rows(table).entities.conversation.patch({ tenant_id, session_id }).add({ watch_version: 1 }).go();
      return;
    } catch (error) {
      // It is deleted: nothing will be committed.
      if (isConditionFailure(error)) return;
      // A transition is under way, which takes no longer than the next try.
      if (!isTransactionConflict(error) || tries >= maxTries) throw error;
    }
  }
}
