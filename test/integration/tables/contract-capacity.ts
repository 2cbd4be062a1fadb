import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactGetItemsCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type ConsumedCapacity,
  type QueryCommandInput,
  type TransactWriteItem,
} from "@aws-sdk/client-dynamodb";
import { keyOf, put, type Row, type Subject } from "./subject.ts";

/** Units of the items and of each index, as `ReturnConsumedCapacity: INDEXES` tells them. */
type Units = { table: number } & Record<string, number>;

const text = (length: number) => ({ S: "x".repeat(length) });
const inIndex = (name: string, sk: string): Row => ({ [`${name}pk`]: { S: "units" }, [`${name}sk`]: { S: sk } });

function unitsOf(capacity: ConsumedCapacity | ConsumedCapacity[] | undefined): Units {
  const [only, ...more] = [capacity ?? []].flat();
  if (!only || more.length > 0) throw new Error(`figures of one table were expected: ${JSON.stringify(capacity)}`);
  const indexes = Object.entries(only.GlobalSecondaryIndexes ?? {});
  return {
    table: only.Table?.CapacityUnits ?? NaN,
    ...Object.fromEntries(indexes.map(([name, units]) => [name, units.CapacityUnits ?? NaN])),
  };
}

/** One request's figures. Each asks for them by index: in total, DynamoDB Local adds transactions up wrongly. */
export function capacityOf(subject: Subject) {
  const TableName = subject.tableName;
  const ReturnConsumedCapacity = "INDEXES" as const;
  const { client } = subject;
  return {
    put: async (Item: Row) =>
      unitsOf((await client.send(new PutItemCommand({ TableName, Item, ReturnConsumedCapacity }))).ConsumedCapacity),
    update: async (Key: Row, UpdateExpression: string, ExpressionAttributeValues?: Row) => {
      const input = { TableName, Key, UpdateExpression, ExpressionAttributeValues, ReturnConsumedCapacity };
      return unitsOf((await client.send(new UpdateItemCommand(input))).ConsumedCapacity);
    },
    remove: async (Key: Row) =>
      unitsOf((await client.send(new DeleteItemCommand({ TableName, Key, ReturnConsumedCapacity }))).ConsumedCapacity),
    get: async (Key: Row, ConsistentRead: boolean, ProjectionExpression?: string) => {
      const input = { TableName, Key, ConsistentRead, ProjectionExpression, ReturnConsumedCapacity };
      return unitsOf((await client.send(new GetItemCommand(input))).ConsumedCapacity);
    },
    query: async (pk: string, more: Partial<QueryCommandInput> = {}) => {
      const input = {
        TableName,
        KeyConditionExpression: `${more.IndexName ?? ""}pk = :p`,
        ReturnConsumedCapacity,
        ...more,
        ExpressionAttributeValues: { ":p": { S: pk }, ...more.ExpressionAttributeValues },
      };
      return unitsOf((await client.send(new QueryCommand(input))).ConsumedCapacity);
    },
    getMany: async (Keys: Row[], ConsistentRead = false) => {
      const RequestItems = { [TableName]: { Keys, ConsistentRead } };
      return unitsOf(
        (await client.send(new BatchGetItemCommand({ RequestItems, ReturnConsumedCapacity }))).ConsumedCapacity,
      );
    },
    writeMany: async (puts: Row[], deletes: Row[]) => {
      const requests = [
        ...puts.map((Item) => ({ PutRequest: { Item } })),
        ...deletes.map((Key) => ({ DeleteRequest: { Key } })),
      ];
      const input = { RequestItems: { [TableName]: requests }, ReturnConsumedCapacity };
      return unitsOf((await client.send(new BatchWriteItemCommand(input))).ConsumedCapacity);
    },
    transact: async (TransactItems: TransactWriteItem[], ClientRequestToken?: string) => {
      const input = { TransactItems, ClientRequestToken, ReturnConsumedCapacity };
      return unitsOf((await client.send(new TransactWriteItemsCommand(input))).ConsumedCapacity);
    },
    readTogether: async (keys: Row[]) => {
      const TransactItems = keys.map((Key) => ({ Get: { TableName, Key } }));
      const input = { TransactItems, ReturnConsumedCapacity };
      return unitsOf((await client.send(new TransactGetItemsCommand(input))).ConsumedCapacity);
    },
  };
}

export function capacityContract(subject: Subject): void {
  const ask = () => capacityOf(subject);
  const key = (sk: string) => keyOf("units", sk);

  test("a write costs a unit for each KB, of the larger of what was and what is", async () => {
    expect(await ask().put(key("w"))).toEqual({ table: 1 });
    expect(await ask().put({ ...key("w"), body: text(1500) })).toEqual({ table: 2 });
    expect(await ask().put({ ...key("w"), body: text(10) })).toEqual({ table: 2 });
    expect(await ask().update(key("w"), "SET body = :b", { ":b": text(2500) })).toEqual({ table: 3 });
    expect(await ask().update(key("none"), "SET n = :n", { ":n": { N: "1" } })).toEqual({ table: 1 });
    expect(await ask().remove(key("w"))).toEqual({ table: 3 });
    expect(await ask().remove(key("w"))).toEqual({ table: 1 });
  });

  test("beside it, each index row that changes", async () => {
    const item = { ...key("i"), ...inIndex("gsi1", "1"), ...inIndex("gsi2", "1"), body: text(1500) };
    expect(await ask().put(item)).toEqual({ table: 2, gsi1: 2, gsi2: 2 });
    expect(await ask().put(item)).toEqual({ table: 2 });
    expect(await ask().put({ ...item, body: text(2500) })).toEqual({ table: 3, gsi1: 3, gsi2: 3 });
    // A row that moves is deleted and put.
    expect(await ask().update(key("i"), "SET gsi1sk = :s", { ":s": { S: "2" } })).toEqual({
      table: 3,
      gsi1: 6,
      gsi2: 3,
    });
    const shrunk = ask().update(key("i"), "SET gsi1sk = :s, body = :b", { ":s": { S: "3" }, ":b": text(9) });
    expect(await shrunk).toEqual({ table: 3, gsi1: 4, gsi2: 3 });
    expect(await ask().update(key("i"), "REMOVE gsi2pk, gsi2sk")).toEqual({ table: 1, gsi1: 1, gsi2: 1 });
    const nothing = ask().update(key("i"), "SET gsi1sk = :s", { ":s": { S: "3" } });
    expect(await nothing).toEqual({ table: 1 });
    expect(await ask().remove(key("i"))).toEqual({ table: 1, gsi1: 1 });
  });

  test("a read costs a unit for each 4 KB, half of it where it may be stale, whatever it returns", async () => {
    await put(subject, { ...key("r"), body: text(9000) });
    expect(await ask().get(key("r"), true)).toEqual({ table: 3 });
    expect(await ask().get(key("r"), false)).toEqual({ table: 1.5 });
    expect(await ask().get(key("r"), true, "pk")).toEqual({ table: 3 });
    expect(await ask().get(key("no"), true)).toEqual({ table: 1 });
    expect(await ask().get(key("no"), false)).toEqual({ table: 0.5 });
  });

  test("a query costs what it read, together, before it filters", async () => {
    const rows = Array.from({ length: 20 }, (_, at): Row => ({
      ...keyOf("units-query", String(at).padStart(2, "0")),
      ...inIndex("gsi1", `q${String(at).padStart(2, "0")}`),
      n: { N: String(at) },
      body: text(960),
    }));
    await Promise.all(rows.map((row) => put(subject, row)));
    const query = ask().query;
    expect(await query("units-query")).toEqual({ table: 2.5 });
    expect(await query("units-query", { ConsistentRead: true })).toEqual({ table: 5 });
    expect(await query("units-query", { ConsistentRead: true, Limit: 3 })).toEqual({ table: 1 });
    expect(await query("units-query", { Select: "COUNT" })).toEqual({ table: 2.5 });
    expect(await query("units-query", { ProjectionExpression: "n" })).toEqual({ table: 2.5 });
    const filtered = { FilterExpression: "n = :n", ExpressionAttributeValues: { ":n": { N: "99" } } };
    expect(await query("units-query", filtered)).toEqual({ table: 2.5 });
    expect(await query("units", { IndexName: "gsi1" })).toEqual({ table: 0, gsi1: 2.5 });
  });

  test("a batch costs the sum of its parts", async () => {
    const large = { ...key("b"), ...inIndex("gsi1", "b"), body: text(9000) };
    expect(await ask().writeMany([large, key("c")], [])).toEqual({ table: 10, gsi1: 9 });
    expect(await ask().getMany([key("b"), key("c")])).toEqual({ table: 2 });
    expect(await ask().getMany([key("b"), key("c")], true)).toEqual({ table: 4 });
    expect(await ask().writeMany([key("d")], [key("b")])).toEqual({ table: 10, gsi1: 9 });
  });

  test("a transaction costs twice", async () => {
    const TableName = subject.tableName;
    const small = { Put: { TableName, Item: key("t1") } };
    const large = { Put: { TableName, Item: { ...key("t2"), body: text(9000) } } };
    expect(await ask().transact([small, large])).toEqual({ table: 20 });
    const check = { ConditionCheck: { TableName, Key: key("t1"), ConditionExpression: "attribute_exists(pk)" } };
    expect(await ask().transact([check])).toEqual({ table: 2 });
    expect(await ask().readTogether([key("t1"), key("t2"), key("no")])).toEqual({ table: 10 });
    // What a repeated one has to look at.
    expect(await ask().transact([large], "units-token")).toEqual({ table: 18 });
    expect(await ask().transact([large], "units-token")).toEqual({ table: 6 });
  });

  test.each([
    ["1", 2],
    ["-12.5", 4],
    ["0", 1],
    ["0.05", 2],
    ["123", 3],
    ["1000000", 2],
    ["1795251600000", 6],
    ["12345678901234567890", 11],
  ])("the number %s takes %s bytes", async (number, bytes) => {
    const rest = Buffer.byteLength("pkunitssknumbernbody") + bytes;
    const item = (length: number) => ({ ...keyOf("units", "number"), n: { N: number }, body: text(length) });
    await ask().remove(key("number"));
    expect(await ask().put(item(1024 - rest))).toEqual({ table: 1 });
    expect(await ask().put(item(1025 - rest))).toEqual({ table: 2 });
  });
}
