import { TransactionCanceledException, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { MemoryTable } from "../../simulation/table/memory-table.ts";

interface Command {
  constructor: { name: string };
  input: unknown;
}

type Attributes = Parameters<typeof unmarshall>[0];
type Fields = Record<string, unknown>;

const options = { removeUndefinedValues: true };

/** The simulator's table behind both clients of the SDK: a tenth of the cost of the embedded one. */
export function memoryClients() {
  const rows = new MemoryTable();
  const document = { send: async ({ constructor, input }: Command) => rows.send(constructor.name, input) };
  const plain = {
    send: async ({ constructor, input }: Command) => plainAnswer(rows, constructor.name, input as Fields),
  };
  return {
    document: document as unknown as DynamoDBDocumentClient,
    plain: plain as unknown as DynamoDBClient,
  };
}

/** What `connect` asks for: reads by key, and transactions. */
function plainAnswer(rows: MemoryTable, name: string, input: Fields): unknown {
  if (name === "GetItemCommand") {
    const { Item } = rows.send("GetCommand", { Key: unmarshall(input["Key"] as Attributes) }) as { Item?: Fields };
    return { Item: Item && marshall(Item, options) };
  }
  if (name !== "TransactWriteItemsCommand") throw new Error(`the memory client does not know ${name}`);
  try {
    return rows.send("TransactWriteCommand", { TransactItems: (input["TransactItems"] as Fields[]).map(plainAction) });
  } catch (error) {
    const { name: code, message, CancellationReasons } = error as TransactionCanceledException;
    if (code !== "TransactionCanceledException") throw error;
    throw new TransactionCanceledException({ message, CancellationReasons, $metadata: {} });
  }
}

function plainAction(action: Fields): Fields {
  return Object.fromEntries(
    Object.entries(action).map(([kind, request]) => {
      const fields = request as Record<"Key" | "Item" | "ExpressionAttributeValues", Attributes | undefined>;
      const marshalled = (["Key", "Item", "ExpressionAttributeValues"] as const).flatMap((field) => {
        const value = fields[field];
        return value === undefined ? [] : [[field, unmarshall(value)]];
      });
      return [kind, { ...fields, ...Object.fromEntries(marshalled) }];
    }),
  );
}
