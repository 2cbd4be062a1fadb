import { CreateTableCommand, DescribeTableCommand, waitUntilTableExists } from "@aws-sdk/client-dynamodb";
import {
  BatchGetCommand,
  BatchWriteCommand,
  DeleteCommand,
  GetCommand,
  PutCommand,
  QueryCommand,
  ScanCommand,
  TransactGetCommand,
  TransactWriteCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { platformTable } from "../../../infra/local/tables/server.ts";
import { AwsClient } from "../../../shared/adapters/aws/aws-client.ts";
import { readTogether } from "../../../shared/adapters/aws/read-together.ts";
import { tableClient } from "../../../shared/adapters/aws/table-client.ts";
import { randomIds } from "../../../shared/adapters/random-ids.ts";
import { systemClock } from "../../../shared/adapters/system-clock.ts";
import type { TableClient } from "../../../shared/data/service.ts";
import { electroContract } from "./contract-electro.ts";
import { failureOf, type Subject } from "./subject.ts";

const TableName = "functions";
const everyKind = {
  text: "ü",
  number: -1.5,
  yes: true,
  nothing: null,
  list: [1, "two", { three: [] }],
  map: { a: { b: "" } },
  set: new Set(["x", "y"]),
};

/** What `tableClient` makes of each command, at the same endpoint as the SDK's client. */
export function functionsClientContract(subject: Subject): void {
  let aws: AwsClient;
  let client: TableClient;
  beforeAll(async () => {
    const { config } = subject.client;
    const { protocol, hostname, port } = await config.endpoint!();
    aws = new AwsClient({
      endpoint: `${protocol}//${hostname}:${port}`,
      region: await config.region(),
      service: "dynamodb",
      credentials: () => config.credentials(),
      clock: systemClock,
      ids: randomIds,
    });
    client = tableClient(aws, randomIds);
    const { TimeToLiveSpecification: _later, ...definition } = platformTable(TableName);
    await subject.client.send(new CreateTableCommand({ ...definition, BillingMode: "PAY_PER_REQUEST" }));
    await waitUntilTableExists({ client: subject.client, maxWaitTime: 20, minDelay: 1 }, { TableName });
  });
  afterAll(() => aws.destroy());

  const keyOf = (pk: string, sk = "0") => ({ pk, sk });
  const put = (item: Record<string, unknown>) => client.send(new PutCommand({ TableName, Item: item }));
  const read = async (Key: Record<string, unknown>) =>
    (await client.send(new GetCommand({ TableName, Key, ConsistentRead: true }))).Item;

  test("brings back every kind of value, and leaves out what is undefined", async () => {
    await put({ ...keyOf("v"), ...everyKind, no: undefined, list: [1, undefined, "two", { three: [] }] });
    expect(await read(keyOf("v"))).toEqual({ ...keyOf("v"), ...everyKind });
    expect(await read(keyOf("nobody"))).toBeUndefined();
  });

  test("updates and deletes with values, and hands back what it was asked for", async () => {
    await put({ ...keyOf("u"), n: 1 });
    const changed = await client.send(
      new UpdateCommand({
        TableName,
        Key: keyOf("u"),
        UpdateExpression: "SET #n = #n + :one, m = :m",
        ExpressionAttributeNames: { "#n": "n" },
        ExpressionAttributeValues: { ":one": 1, ":m": { a: [true] } },
        ReturnValues: "ALL_NEW",
      }),
    );
    expect(changed.Attributes).toEqual({ ...keyOf("u"), n: 2, m: { a: [true] } });
    await client.send(new DeleteCommand({ TableName, Key: keyOf("u") }));
    expect(await read(keyOf("u"))).toBeUndefined();
  });

  test("queries and scans page by page", async () => {
    for (const sk of ["1", "2", "3"]) await put(keyOf("q", sk));
    const page = (start?: Record<string, unknown>) =>
      client.send(
        new QueryCommand({
          TableName,
          KeyConditionExpression: "pk = :pk",
          ExpressionAttributeValues: { ":pk": "q" },
          Limit: 2,
          ExclusiveStartKey: start,
        }),
      );
    const first = await page();
    expect(first).toMatchObject({
      Items: [keyOf("q", "1"), keyOf("q", "2")],
      Count: 2,
      LastEvaluatedKey: keyOf("q", "2"),
    });
    expect((await page(first.LastEvaluatedKey)).Items).toEqual([keyOf("q", "3")]);
    expect((await client.send(new ScanCommand({ TableName, Limit: 1 }))).Items).toHaveLength(1);
  });

  test("writes and reads in batches", async () => {
    const Item = { ...keyOf("b", "1"), n: 1 };
    await client.send(new BatchWriteCommand({ RequestItems: { [TableName]: [{ PutRequest: { Item } }] } }));
    const found = await client.send(
      new BatchGetCommand({ RequestItems: { [TableName]: { Keys: [keyOf("b", "1"), keyOf("b", "2")] } } }),
    );
    expect(found.Responses).toEqual({ [TableName]: [Item] });
    expect(found.UnprocessedKeys).toEqual({});
  });

  test("rows that are read at once come in one batch, as each would alone", async () => {
    const together = readTogether(client);
    const row = { ...keyOf("at once", "1"), ...everyKind };
    await put(row);
    const get = (sk: string) => new GetCommand({ TableName, Key: keyOf("at once", sk), ConsistentRead: true });
    const [found, none] = await Promise.all([together.send(get("1")), together.send(get("2"))]);
    expect([found.Item, none.Item]).toEqual([row, undefined]);
  });

  test("names a failed condition, and the reasons of a cancelled transaction", async () => {
    const write = (sk: string) => ({
      Put: { TableName, Item: keyOf("t", sk), ConditionExpression: "attribute_not_exists(pk)" },
    });
    const transact = () => client.send(new TransactWriteCommand({ TransactItems: [write("1"), write("2")] }));
    await transact();
    expect(await failureOf(transact())).toMatchObject({
      name: "TransactionCanceledException",
      CancellationReasons: [{ Code: "ConditionalCheckFailed" }, { Code: "ConditionalCheckFailed" }],
    });
    expect(await failureOf(client.send(new PutCommand(write("1").Put)))).toMatchObject({
      name: "ConditionalCheckFailedException",
      status: 400,
    });
    const handsBack = { ...write("1").Put, ReturnValuesOnConditionCheckFailure: "ALL_OLD" as const };
    expect(await failureOf(client.send(new PutCommand(handsBack)))).toMatchObject({
      Item: { pk: { S: "t" }, sk: { S: "1" } },
    });
    const both = [{ Get: { TableName, Key: keyOf("t", "1") } }, { Get: { TableName, Key: keyOf("t", "9") } }];
    const { Responses } = await client.send(new TransactGetCommand({ TransactItems: both }));
    expect(Responses).toEqual([{ Item: keyOf("t", "1") }, {}]);
  });

  test("takes no other command", async () => {
    const other = client.send(new DescribeTableCommand({ TableName }) as never);
    await expect(other).rejects.toThrow("a command that ElectroDB does not send");
  });

  describe("ElectroDB", () =>
    electroContract({ tableName: TableName, client: { send: (command) => client.send(command) } }));
}
