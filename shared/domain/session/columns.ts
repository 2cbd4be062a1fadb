import { readAll } from "../../data/read-all.ts";
import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import { JsonText } from "../../protocol/json-text.ts";
import { maxJsonColumnBytes } from "../../protocol/limits.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import type { SessionRow } from "./session-row.ts";

export type ColumnName = "messages" | "sbx_config";
export const columnNames: readonly ColumnName[] = ["messages", "sbx_config"];

/** What is larger gets a row of its own: a session's row is written anew, in five places, with each of its turns. */
const maxInlineBytes = 512;
const bytesField = { messages: "messages_bytes", sbx_config: "sbx_config_bytes" } as const;

/** Bytes that a text adds to an answer: a Lambda's answer is itself JSON, in which quotes and backslashes are escaped. */
export function answerBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text));
}

/** Throws `payload_too_large`. */
export function checkColumn(name: ColumnName, { text }: JsonText): void {
  if (Buffer.byteLength(text) > maxJsonColumnBytes) throw new AppError("payload_too_large", `${name} is over 200 KB`);
}

const isInline = (text: string) => Buffer.byteLength(text) <= maxInlineBytes;

/** A column's part of the session's row; undefined is to be removed. */
export function columnFields(name: ColumnName, { text }: JsonText) {
  return isInline(text)
    ? { [name]: text, [bytesField[name]]: undefined }
    : { [name]: undefined, [bytesField[name]]: answerBytes(text) };
}

/** A column's document, for the transaction that writes the row. `isNew`: there can be none before. */
export function columnItems(
  entities: TransactionEntities,
  key: SessionKey,
  name: ColumnName,
  { text }: JsonText,
  before: SessionRow | null,
): TransactionItem[] {
  const { tenant_id, session_id } = key;
  const place = { tenant_id, session_id, name };
  if (!isInline(text)) return [entities.sessionDocument.upsert({ ...place, text }).commit()];
  return before && before[name] === undefined ? [entities.sessionDocument.delete(place).commit()] : [];
}

type DocumentKey = { tenant_id: string; session_id: string; name: ColumnName };

/** Documents that the rows say they have. */
function documentsOf(row: SessionRow, names: readonly ColumnName[]): DocumentKey[] {
  const { tenant_id, session_id } = row;
  return names.filter((name) => row[name] === undefined).map((name) => ({ tenant_id, session_id, name }));
}

async function readDocuments(table: Table, wanted: DocumentKey[]): Promise<Map<string, string>> {
  const { sessionDocument } = rows(table).entities;
  const found = await readAll(wanted, (some) => sessionDocument.get(some).go({ consistent: true }));
  return new Map(found.map(({ session_id, name, text }) => [`${session_id}#${name}`, text]));
}

export type Columns = Record<ColumnName, JsonText>;

/** The columns of each row, in their order. Null for a row that was changed or deleted while its documents were read. */
export async function readColumns(table: Table, from: SessionRow[]): Promise<(Columns | null)[]> {
  const found = await readDocuments(
    table,
    from.flatMap((row) => documentsOf(row, columnNames)),
  );
  return from.map((row) => {
    const textOf = (name: ColumnName) => row[name] ?? found.get(`${row.session_id}#${name}`);
    const messages = textOf("messages");
    const sbx_config = textOf("sbx_config");
    if (messages === undefined || sbx_config === undefined) return null;
    return { messages: new JsonText(messages), sbx_config: new JsonText(sbx_config) };
  });
}
