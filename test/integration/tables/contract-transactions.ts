import {
  QueryCommand,
  TransactGetItemsCommand,
  TransactWriteItemsCommand,
  type TransactWriteItem,
  type TransactWriteItemsCommandInput,
} from "@aws-sdk/client-dynamodb";
import { failureOf, keyOf, put, read, type Row, type Subject } from "./subject.ts";

export function transactionContract(subject: Subject): void {
  const TableName = subject.tableName;
  const write = (TransactItems: TransactWriteItem[], more: Partial<TransactWriteItemsCommandInput> = {}) =>
    subject.client.send(new TransactWriteItemsCommand({ TransactItems, ...more }));
  const create = (item: Row, old?: "ALL_OLD"): TransactWriteItem => ({
    Put: {
      TableName,
      Item: item,
      ConditionExpression: "attribute_not_exists(pk)",
      ReturnValuesOnConditionCheckFailure: old,
    },
  });
  const moveHead = (pk: string, from: number): TransactWriteItem => ({
    Update: {
      TableName,
      Key: keyOf(pk),
      UpdateExpression: "SET head = :to",
      ConditionExpression: from === 0 ? "attribute_not_exists(head)" : "head = :from",
      ExpressionAttributeValues: { ":to": { N: String(from + 1) }, ...(from > 0 && { ":from": { N: String(from) } }) },
    },
  });

  test("puts, updates, deletes and checks together", async () => {
    await put(subject, { ...keyOf("tx-all", "deleted"), n: { N: "1" } });
    await put(subject, { ...keyOf("tx-all", "checked"), n: { N: "5" } });
    await write([
      create({ ...keyOf("tx-all", "put"), gsi1pk: { S: "tx-all" }, gsi1sk: { S: "1" } }),
      {
        Update: {
          TableName,
          Key: keyOf("tx-all", "updated"),
          UpdateExpression: "ADD n :one",
          ExpressionAttributeValues: { ":one": { N: "1" } },
        },
      },
      { Delete: { TableName, Key: keyOf("tx-all", "deleted") } },
      {
        ConditionCheck: {
          TableName,
          Key: keyOf("tx-all", "checked"),
          ConditionExpression: "n = :five",
          ExpressionAttributeValues: { ":five": { N: "5" } },
        },
      },
    ]);
    expect(await read(subject, keyOf("tx-all", "put"))).toBeDefined();
    expect(await read(subject, keyOf("tx-all", "updated"))).toMatchObject({ n: { N: "1" } });
    expect(await read(subject, keyOf("tx-all", "deleted"))).toBeUndefined();
    const byIndex = {
      TableName,
      IndexName: "gsi1",
      KeyConditionExpression: "gsi1pk = :g",
      ExpressionAttributeValues: { ":g": { S: "tx-all" } },
    };
    expect((await subject.client.send(new QueryCommand(byIndex))).Count).toBe(1);
  });

  test("cancels all when one condition fails, with a reason for each part", async () => {
    await put(subject, {
      ...keyOf("tx-cancel", "there"),
      owner: { S: "first" },
      gsi1pk: { S: "tx-cancel" },
      gsi1sk: { S: "1" },
    });
    const failure = await failureOf(
      write([
        create({ ...keyOf("tx-cancel", "new"), gsi1pk: { S: "tx-cancel" }, gsi1sk: { S: "2" } }),
        create(keyOf("tx-cancel", "there"), "ALL_OLD"),
        {
          ConditionCheck: {
            TableName,
            Key: keyOf("tx-cancel", "absent"),
            ConditionExpression: "attribute_exists(pk)",
            ReturnValuesOnConditionCheckFailure: "ALL_OLD",
          },
        },
        create(keyOf("tx-cancel", "also-new")),
      ]),
    );
    expect(failure).toMatchObject({
      name: "TransactionCanceledException",
      message:
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ConditionalCheckFailed, None]",
    });
    // AWS's two engines do not agree on the full stop.
    const failed = {
      Code: "ConditionalCheckFailed",
      Message: expect.stringContaining("The conditional request failed"),
    };
    const there = {
      ...keyOf("tx-cancel", "there"),
      owner: { S: "first" },
      gsi1pk: { S: "tx-cancel" },
      gsi1sk: { S: "1" },
    };
    expect(failure["CancellationReasons"]).toEqual([
      { Code: "None" },
      { ...failed, Item: there },
      failed,
      { Code: "None" },
    ]);
    expect(await read(subject, keyOf("tx-cancel", "new"))).toBeUndefined();
    const byIndex = {
      TableName,
      IndexName: "gsi1",
      KeyConditionExpression: "gsi1pk = :g",
      ExpressionAttributeValues: { ":g": { S: "tx-cancel" } },
    };
    expect((await subject.client.send(new QueryCommand(byIndex))).Count).toBe(1);
  });

  test("30 racing transactions under one condition: one wins, nothing of the others stays", async () => {
    const attempts = Array.from({ length: 30 }, (_, at) =>
      write([moveHead("tx-race", 0), create(keyOf("tx-race", `row-${at}`))]),
    );
    const outcomes = await Promise.allSettled(attempts);
    const winners = outcomes.filter((outcome) => outcome.status === "fulfilled");
    expect(winners).toHaveLength(1);
    const rows = {
      TableName,
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: { ":pk": { S: "tx-race" } },
    };
    expect((await subject.client.send(new QueryCommand(rows))).Count).toBe(2);
  });

  test("a repeated ClientRequestToken does nothing again, with other parts it is refused", async () => {
    const ClientRequestToken = "0f0e0d0c-token";
    const add: TransactWriteItem = {
      Update: {
        TableName,
        Key: keyOf("tx-token"),
        UpdateExpression: "ADD n :one",
        ExpressionAttributeValues: { ":one": { N: "1" } },
      },
    };
    await write([add], { ClientRequestToken });
    await write([add], { ClientRequestToken });
    expect(await read(subject, keyOf("tx-token"))).toMatchObject({ n: { N: "1" } });
    const failure = await failureOf(write([create(keyOf("tx-token", "other"))], { ClientRequestToken }));
    expect(failure.name).toBe("IdempotentParameterMismatchException");
    expect(await read(subject, keyOf("tx-token", "other"))).toBeUndefined();
  });

  test("a cancelled transaction does not use its token up", async () => {
    const ClientRequestToken = "0f0e0d0c-cancelled";
    const guarded: TransactWriteItem[] = [
      { ConditionCheck: { TableName, Key: keyOf("tx-later"), ConditionExpression: "attribute_exists(pk)" } },
      create(keyOf("tx-later", "row")),
    ];
    expect((await failureOf(write(guarded, { ClientRequestToken }))).name).toBe("TransactionCanceledException");
    await put(subject, keyOf("tx-later"));
    await write(guarded, { ClientRequestToken });
    expect(await read(subject, keyOf("tx-later", "row"))).toBeDefined();
  });

  test("refuses two parts on one item, no parts, and more than a hundred", async () => {
    const twice = await failureOf(
      write([create(keyOf("tx-twice")), { Delete: { TableName, Key: keyOf("tx-twice") } }]),
    );
    expect(twice).toMatchObject({
      name: "ValidationException",
      message: "Transaction request cannot include multiple operations on one item",
    });
    expect((await failureOf(write([]))).name).toBe("ValidationException");
    const many = Array.from({ length: 101 }, (_, at) => create(keyOf("tx-many", String(at))));
    const tooMany = await failureOf(write(many));
    expect(tooMany.name).toBe("ValidationException");
    expect(tooMany.message).toContain("Member must have length less than or equal to 100");
    await write(many.slice(0, 100));
    expect(await read(subject, keyOf("tx-many", "99"))).toBeDefined();
  });

  test("refuses more than 4 MB in one transaction", async () => {
    const body = { S: "x".repeat(390_000) };
    const rows = Array.from({ length: 11 }, (_, at) => create({ ...keyOf("tx-large", String(at)), body }));
    expect((await failureOf(write(rows))).name).toMatch(/ValidationException|TransactionCanceledException/);
    expect(await read(subject, keyOf("tx-large", "0"))).toBeUndefined();
  });

  test("does nothing where a part does not fit its item", async () => {
    await put(subject, { ...keyOf("tx-misfit"), text: { S: "not a number" } });
    const failure = await failureOf(
      write([
        create(keyOf("tx-misfit", "new")),
        {
          Update: {
            TableName,
            Key: keyOf("tx-misfit"),
            UpdateExpression: "ADD #t :one",
            ExpressionAttributeNames: { "#t": "text" },
            ExpressionAttributeValues: { ":one": { N: "1" } },
          },
        },
      ]),
    );
    // DynamoDB cancels with the reason ValidationError, as we do; DynamoDB Local refuses the request.
    expect(failure.name).toMatch(/^(TransactionCanceledException|ValidationException)$/);
    expect(JSON.stringify([failure.message, failure["CancellationReasons"]])).toContain(
      "An operand in the update expression has an incorrect data type",
    );
    expect(await read(subject, keyOf("tx-misfit", "new"))).toBeUndefined();
  });

  test("refuses an expression that cannot be parsed, and a missing table", async () => {
    const reserved = await failureOf(
      write([{ ConditionCheck: { TableName, Key: keyOf("a"), ConditionExpression: "status = pk" } }]),
    );
    expect(reserved.name).toBe("ValidationException");
    expect(reserved.message).toContain("reserved keyword: status");
    const missing = await failureOf(write([{ Delete: { TableName: "no-such-table", Key: keyOf("a") } }]));
    expect(missing.name).toBe("ResourceNotFoundException");
  });

  test("reads together, in order, with holes for what is missing", async () => {
    await put(subject, { ...keyOf("tx-get", "a"), n: { N: "1" }, other: { S: "x" } });
    const answer = await subject.client.send(
      new TransactGetItemsCommand({
        TransactItems: [
          { Get: { TableName, Key: keyOf("tx-get", "missing") } },
          { Get: { TableName, Key: keyOf("tx-get", "a"), ProjectionExpression: "n" } },
        ],
      }),
    );
    expect(answer.Responses).toEqual([{}, { Item: { n: { N: "1" } } }]);
  });

  test("counts two units for each part when asked", async () => {
    const rows = [create(keyOf("tx-units", "a")), create({ ...keyOf("tx-units", "b"), body: { S: "x".repeat(1500) } })];
    const { ConsumedCapacity } = await write(rows, { ReturnConsumedCapacity: "TOTAL" });
    expect(ConsumedCapacity).toMatchObject([{ TableName, CapacityUnits: 6 }]);
  });
}
