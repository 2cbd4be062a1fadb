import type { Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Session } from "../../protocol/session.ts";
import type { SessionKey } from "../timeline/row.ts";
import { answerBytes, readColumns, type Columns } from "./columns.ts";
import { findSessionRow, type SessionRow } from "./session-row.ts";

export function toSession(row: SessionRow, { messages, sbx_config }: Columns): Session {
  return {
    id: row.session_id,
    title: row.title,
    repo: row.repo ?? null,
    target_branch: row.target_branch ?? null,
    branch: row.branch ?? null,
    messages,
    inbox_status: row.inbox_status,
    sbx_config,
    parent: row.parent ?? null,
    created_at: new Date(row.created_at).toISOString(),
    updated_at: new Date(row.updated_at).toISOString(),
  };
}

const maxTries = 3;

/** Throws `not_found`, also for another tenant's. */
export async function readSession(table: Table, key: SessionKey): Promise<Session> {
  for (let attempt = 0; attempt < maxTries; attempt += 1) {
    const row = await findSessionRow(table, key);
    if (!row) throw new AppError("not_found");
    const [columns] = await readColumns(table, [row]);
    if (columns) return toSession(row, columns);
  }
  throw new AppError("busy");
}

/** Lambda answers hold 6 MB. */
const maxPageBytes = 4 * 1024 * 1024;
/** What is around the columns, in any case less. */
const otherBytes = 4096;

function bytesOf(row: SessionRow): number {
  const messages = row.messages_bytes ?? answerBytes(row.messages ?? "");
  return otherBytes + messages + (row.sbx_config_bytes ?? answerBytes(row.sbx_config ?? ""));
}

/** As many of the first as fit one answer, and at least one. */
export function fittingRows<T>(items: T[], rowOf: (item: T) => SessionRow): T[] {
  let bytes = 0;
  const end = items.findIndex((item, index) => {
    bytes += bytesOf(rowOf(item));
    return index > 0 && bytes > maxPageBytes;
  });
  return end < 0 ? items : items.slice(0, end);
}

/** The sessions of the rows, in their order; one that was changed meanwhile is read again, a deleted one left out. */
export async function sessionsOf(table: Table, from: SessionRow[]): Promise<(Session | null)[]> {
  const columns = await readColumns(table, from);
  return Promise.all(
    from.map(async (row, index) => {
      const own = columns[index];
      return own ? toSession(row, own) : readSession(table, row).catch(nullWhereDeleted);
    }),
  );
}

function nullWhereDeleted(error: unknown): null {
  if (error instanceof AppError && error.code === "not_found") return null;
  throw error;
}
