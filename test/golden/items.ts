import { BatchWriteCommand, ScanCommand } from "@aws-sdk/lib-dynamodb";
import type { Table } from "../../shared/data/service.ts";
import type { memoryObjects } from "../support/fakes.ts";

export type Item = Record<string, unknown> & { pk: string; sk: string };
type Objects = ReturnType<typeof memoryObjects>;

/** One session's state as a release wrote it, and what the release answered about it. */
export interface Golden {
  release: string;
  name: string;
  /** What the session was doing. */
  state: string;
  /** Milliseconds: when it was recorded. */
  now: number;
  key: { tenant_id: string; session_id: string; user_id: string };
  /** Every row of the table, as DynamoDB has it. */
  items: Item[];
  /** Object storage: names and texts. */
  objects: Record<string, string>;
  answers: { events: unknown; messages: unknown };
}

export async function dumpItems({ client, name }: Table): Promise<Item[]> {
  const items: Item[] = [];
  let start: Record<string, unknown> | undefined;
  do {
    const page = await client.send(
      new ScanCommand({ TableName: name, ConsistentRead: true, ...(start ? { ExclusiveStartKey: start } : {}) }),
    );
    items.push(...((page.Items ?? []) as Item[]));
    start = page.LastEvaluatedKey;
  } while (start);
  const order = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);
  return items.toSorted((one, other) => order(one.pk, other.pk) || order(one.sk, other.sk));
}

const itemsAtOnce = 25;

export async function loadItems({ client, name }: Table, items: Item[]): Promise<void> {
  for (let from = 0; from < items.length; from += itemsAtOnce) {
    const puts = items.slice(from, from + itemsAtOnce).map((Item) => ({ PutRequest: { Item } }));
    await client.send(new BatchWriteCommand({ RequestItems: { [name]: puts } }));
  }
}

export const dumpObjects = ({ stored }: Objects) =>
  Object.fromEntries(
    [...stored]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, body]) => [name, Buffer.from(body).toString("utf8")]),
  );

export async function loadObjects(objects: Objects, dumped: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(dumped)) await objects.put(name, text, "application/octet-stream");
}
