import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { platformTable, startTablesServer, type TablesServer } from "../../../infra/local/tables/server.ts";
import { capacityOf } from "./contract-capacity.ts";
import { keyOf, type Row, type Subject } from "./subject.ts";

const tableName = "sandbox";
let server: TablesServer;
let subject: Subject & { client: DynamoDBClient };

beforeAll(async () => {
  const definition = platformTable(tableName);
  const [, , gsi3, gsi4] = definition.GlobalSecondaryIndexes ?? [];
  if (gsi3) gsi3.Projection = { ProjectionType: "INCLUDE", NonKeyAttributes: ["n"] };
  if (gsi4) gsi4.Projection = { ProjectionType: "KEYS_ONLY" };
  server = await startTablesServer({ tables: [definition] });
  const credentials = { accessKeyId: "k", secretAccessKey: "s" };
  subject = { tableName, client: new DynamoDBClient({ endpoint: server.endpoint, region: "us-east-1", credentials }) };
});

afterAll(async () => {
  subject.client.destroy();
  await server.stop();
});

const index = (name: string): Row => ({ [`${name}pk`]: { S: "g" }, [`${name}sk`]: { S: "1" } });
const body = (length: number) => ({ body: { S: "x".repeat(length) } });
const put = (Item: Row) => ({ Put: { TableName: tableName, Item } });

/** As AWS counts (github.com/paritysuite/dynamodb-conformance has its answers); DynamoDB Local is off here. */
describe("where AWS and DynamoDB Local differ", () => {
  test("a transaction's index rows cost once: they follow after it", async () => {
    const { transact } = capacityOf(subject);
    const item = { ...keyOf("t"), ...index("gsi1"), ...body(1500) };
    expect(await transact([put(item)])).toEqual({ table: 4, gsi1: 2 });
    expect(await transact([put({ ...item, gsi1sk: { S: "2" } }), put(keyOf("t", "2"))])).toEqual({ table: 6, gsi1: 4 });
  });

  test("a condition check is billed as a write of its item", async () => {
    await subject.client.send(new PutItemCommand({ TableName: tableName, Item: { ...keyOf("c"), ...body(3000) } }));
    const check = {
      ConditionCheck: { TableName: tableName, Key: keyOf("c"), ConditionExpression: "attribute_exists(pk)" },
    };
    expect(await capacityOf(subject).transact([check])).toEqual({ table: 6 });
  });

  test("what is not there costs the least that there is", async () => {
    const { query, getMany, transact, writeMany } = capacityOf(subject);
    expect(await query("none")).toEqual({ table: 0.5 });
    expect(await query("none", { ConsistentRead: true })).toEqual({ table: 1 });
    expect(await getMany([keyOf("none")])).toEqual({ table: 0.5 });
    expect(await writeMany([], [keyOf("none")])).toEqual({ table: 1 });
    expect(await transact([{ Delete: { TableName: tableName, Key: keyOf("none") } }])).toEqual({ table: 2 });
  });
});

test("an index costs what it keeps of an item, and nothing where that stays", async () => {
  const { put: write, update, query } = capacityOf(subject);
  const item = { ...keyOf("p"), ...index("gsi3"), ...index("gsi4"), n: { N: "1" }, ...body(3000) };
  expect(await write(item)).toEqual({ table: 3, gsi3: 1, gsi4: 1 });
  expect(await update(keyOf("p"), "SET body = :b", { ":b": { S: "y".repeat(3000) } })).toEqual({ table: 3 });
  expect(await update(keyOf("p"), "SET n = :n", { ":n": { N: "2" } })).toEqual({ table: 3, gsi3: 1 });
  expect(await query("g", { IndexName: "gsi4" })).toEqual({ table: 0, gsi4: 0.5 });
});

test("no figures unless they are asked for", async () => {
  const answer = await subject.client.send(new PutItemCommand({ TableName: tableName, Item: keyOf("quiet") }));
  expect(answer.ConsumedCapacity).toBeUndefined();
});
