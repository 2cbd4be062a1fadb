import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  DescribeTableCommand,
  GetItemCommand,
  PutItemCommand,
} from "@aws-sdk/client-dynamodb";
import { tableKeys } from "../../../shared/data/table.ts";
import { failureOf, keyOf, put, read, type Row, type Subject } from "./subject.ts";

export function itemContract(subject: Subject): void {
  const TableName = subject.tableName;

  test("keeps every type of attribute as it was sent", async () => {
    const item: Row = {
      ...keyOf("types"),
      text: { S: "grüße 🚀" },
      empty: { S: "" },
      whole: { N: "42" },
      bytes: { B: new Uint8Array([0, 1, 254, 255]) },
      yes: { BOOL: true },
      nothing: { NULL: true },
      names: { SS: ["a", "b"] },
      document: { M: { list: { L: [{ N: "1" }, { M: { deep: { S: "x" } } }] } } },
      no_members: { L: [] },
    };
    await put(subject, item);
    expect(await read(subject, keyOf("types"))).toEqual(item);
  });

  test("keeps 38 digits of a number and refuses 39", async () => {
    const digits = "12345678901234567890123456789012345678";
    await put(subject, { ...keyOf("precision"), whole: { N: digits }, small: { N: "0.10" }, exponent: { N: "1.5E3" } });
    const item = await read(subject, keyOf("precision"));
    expect(item).toMatchObject({ whole: { N: digits }, small: { N: "0.1" }, exponent: { N: "1500" } });
    const failure = await failureOf(put(subject, { ...keyOf("precision"), whole: { N: `${digits}9` } }));
    expect(failure.name).toBe("ValidationException");
    expect(failure.message).toContain("38");
  });

  test("answers nothing for a missing item and ResourceNotFoundException for a missing table", async () => {
    expect(await read(subject, keyOf("nobody"))).toBeUndefined();
    const failure = await failureOf(
      subject.client.send(new GetItemCommand({ TableName: "no-such-table", Key: keyOf("a") })),
    );
    expect(failure.name).toBe("ResourceNotFoundException");
  });

  test("returns the old item of a put and of a delete", async () => {
    await put(subject, { ...keyOf("old"), n: { N: "1" } });
    const replaced = await subject.client.send(
      new PutItemCommand({ TableName, Item: { ...keyOf("old"), n: { N: "2" } }, ReturnValues: "ALL_OLD" }),
    );
    expect(replaced.Attributes).toMatchObject({ n: { N: "1" } });
    const deleted = await subject.client.send(
      new DeleteItemCommand({ TableName, Key: keyOf("old"), ReturnValues: "ALL_OLD" }),
    );
    expect(deleted.Attributes).toMatchObject({ n: { N: "2" } });
    expect(await read(subject, keyOf("old"))).toBeUndefined();
  });

  test("refuses an item over 400 KB, counted in UTF-8 bytes, and takes one just under", async () => {
    await put(subject, { ...keyOf("large"), body: { S: "x".repeat(409_000) } });
    const failure = await failureOf(put(subject, { ...keyOf("large"), body: { S: "ü".repeat(205_000) } }));
    expect(failure).toMatchObject({
      name: "ValidationException",
      message: "Item size has exceeded the maximum allowed size",
    });
  });

  test("refuses empty keys, missing keys and keys of another type", async () => {
    const empty = await failureOf(put(subject, keyOf("")));
    expect(empty.name).toBe("ValidationException");
    expect(empty.message).toContain(
      "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk",
    );
    const missing = await failureOf(put(subject, { pk: { S: "a" } }));
    expect(missing.message).toMatch(/Missing the key sk in the item|required keys was not given a value/);
    const type = await failureOf(put(subject, { pk: { S: "a" }, sk: { N: "1" } }));
    expect(type.message).toContain("One or more parameter values were invalid: Type mismatch for key");
    const partial = await failureOf(subject.client.send(new GetItemCommand({ TableName, Key: { pk: { S: "a" } } })));
    expect(partial.message).toMatch(/does not match the schema|number of conditions on the keys is invalid/);
  });

  test("refuses an empty or wrongly typed index key", async () => {
    const empty = await failureOf(put(subject, { ...keyOf("index-key"), gsi1pk: { S: "" }, gsi1sk: { S: "1" } }));
    expect(empty.name).toBe("ValidationException");
    expect(empty.message).toContain("A value specified for a secondary index key is not supported");
    const type = await failureOf(put(subject, { ...keyOf("index-key"), gsi1pk: { N: "1" }, gsi1sk: { S: "1" } }));
    expect(type.message).toContain("One or more parameter values were invalid: Type mismatch for Index Key");
  });

  test("projects attributes, also inside documents", async () => {
    await put(subject, {
      ...keyOf("project"),
      a: { S: "1" },
      b: { M: { c: { L: [{ S: "x" }, { S: "y" }] }, d: { S: "z" } } },
    });
    const command = new GetItemCommand({
      TableName,
      Key: keyOf("project"),
      ProjectionExpression: "a, #b.c[1]",
      ExpressionAttributeNames: { "#b": "b" },
    });
    expect((await subject.client.send(command)).Item).toEqual({ a: { S: "1" }, b: { M: { c: { L: [{ S: "y" }] } } } });
  });

  test("writes and reads in batches, and refuses the same item twice", async () => {
    const keys = Array.from({ length: 20 }, (_, at) => keyOf("batch", String(at)));
    const requests = keys.map((key) => ({ PutRequest: { Item: { ...key, n: { N: "1" } } } }));
    await subject.client.send(new BatchWriteItemCommand({ RequestItems: { [TableName]: requests } }));
    const found = await subject.client.send(new BatchGetItemCommand({ RequestItems: { [TableName]: { Keys: keys } } }));
    expect(found.Responses?.[TableName]).toHaveLength(20);
    const twice = [...requests.slice(0, 1), ...requests.slice(0, 1)];
    const failure = await failureOf(
      subject.client.send(new BatchWriteItemCommand({ RequestItems: { [TableName]: twice } })),
    );
    expect(failure.message).toBe("Provided list of item keys contains duplicates");
  });

  test("describes the table and its indexes", async () => {
    const { Table } = await subject.client.send(new DescribeTableCommand({ TableName }));
    expect(Table).toMatchObject({
      TableName,
      TableStatus: "ACTIVE",
      BillingModeSummary: { BillingMode: "PAY_PER_REQUEST" },
    });
    expect(Table?.GlobalSecondaryIndexes?.map((index) => [index.IndexName, index.IndexStatus]).sort()).toEqual(
      Object.keys(tableKeys.indexes).map((name) => [name, "ACTIVE"]),
    );
  });
}
