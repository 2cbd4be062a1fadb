import {
  type DynamoDBClient,
  GetItemCommand,
  QueryCommand,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import type { RowKey } from "../data/keys.ts";
import { type Item, keyItem, number, text } from "./connection-items.ts";

/** `changed`: something is not as it was read. `contended`: another transaction was at the same rows. */
export type Written = "written" | "changed" | "contended";

/** The table as `connect` uses it: with the plain client, since it has no room for ElectroDB. */
export interface ConnectionTable {
  name: string;
  read(key: RowKey, options?: { consistent: boolean }): Promise<Item | undefined>;
  write(items: TransactWriteItem[]): Promise<Written>;
  /** Counts rows whose key begins like this and that have not expired; stops where it is clear that they are more. */
  hasMoreThan(limit: number, start: RowKey, nowSeconds: number): Promise<boolean>;
}

function outcomeOf(error: unknown): Written {
  if (!(error instanceof TransactionCanceledException)) throw error;
  const codes = (error.CancellationReasons ?? []).map(({ Code }) => Code);
  if (codes.includes("ConditionalCheckFailed")) return "changed";
  if (codes.includes("TransactionConflict")) return "contended";
  throw error;
}

export function connectionTable(client: DynamoDBClient, name: string): ConnectionTable {
  return {
    name,
    async read(key, { consistent } = { consistent: true }) {
      const found = await client.send(
        new GetItemCommand({ TableName: name, Key: keyItem(key), ConsistentRead: consistent }),
      );
      return found.Item;
    },

    async write(TransactItems) {
      try {
        await client.send(new TransactWriteItemsCommand({ TransactItems }));
        return "written";
      } catch (error) {
        return outcomeOf(error);
      }
    },

    async hasMoreThan(limit, { pk, sk }, nowSeconds) {
      let count = 0;
      let from: Item | undefined;
      do {
        const page = await client.send(
          new QueryCommand({
            TableName: name,
            Select: "COUNT",
            ConsistentRead: true,
            KeyConditionExpression: "pk = :pk AND begins_with(sk, :sk)",
            FilterExpression: "expires_at > :now",
            ExpressionAttributeValues: { ":pk": text(pk), ":sk": text(sk), ":now": number(nowSeconds) },
            ExclusiveStartKey: from,
          }),
        );
        count += page.Count ?? 0;
        from = page.LastEvaluatedKey;
      } while (from !== undefined && count <= limit);
      return count > limit;
    },
  };
}
