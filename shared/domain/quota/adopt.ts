import { rows, type Table } from "../../data/service.ts";

/** Another transaction on the tenant's counter cancels this one. */
const tries = 20;

async function count(table: Table, tenant_id: string, session_id: string): Promise<boolean> {
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const answer = await rows(table)
      .transaction.write((entities) => [
        entities.session
          .patch({ tenant_id, session_id })
          .set({ counted: true })
          .where(({ counted }, { notExists, eq }) => `${notExists(counted)} OR ${eq(counted, false)}`)
          .commit(),
        entities.quotaCounter.upsert({ tenant_id, name: "storedSessions" }).add({ used: 1 }).commit(),
      ])
      .go();
    if (!answer.canceled) return true;
    if (answer.data[0]?.code === "ConditionalCheckFailed") return false;
  }
  throw new Error(`the counter of ${tenant_id} is too busy: run this again`);
}

/**
 * Counts the sessions that were made while the tenant's plan did not limit them. Gives how many; may be repeated, and run
 * while sessions come and go. Prompts and sandboxes that run uncounted end by themselves.
 */
export async function adoptSessions(table: Table, tenant_id: string): Promise<number> {
  let adopted = 0;
  let cursor: string | null = null;
  do {
    const page: { data: { session_id: string; counted?: boolean }[]; cursor: string | null } = await rows(table)
      .entities.session.query.byActivity({ tenant_id })
      .go({ cursor, attributes: ["session_id", "counted"] });
    for (const { session_id, counted } of page.data) {
      if (!counted && (await count(table, tenant_id, session_id))) adopted += 1;
    }
    cursor = page.cursor;
  } while (cursor);
  return adopted;
}
