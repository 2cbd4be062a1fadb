import { QueryCommand, ScanCommand, UpdateItemCommand, type QueryCommandInput } from "@aws-sdk/client-dynamodb";
import { failureOf, keyOf, put, type Row, type Subject } from "./subject.ts";

const padded = (n: number) => String(n).padStart(4, "0");

export function queryContract(subject: Subject): void {
  const TableName = subject.tableName;

  beforeAll(async () => {
    const rows = Array.from({ length: 30 }, (_, at): Row => ({
      ...keyOf("query", `${at < 20 ? "seq" : "other"}#${padded(at)}`),
      gsi1pk: { S: "query-index" },
      // Ten items share each index sort key.
      gsi1sk: { S: `day#${at % 3}` },
      n: { N: String(at) },
      kind: { S: at % 2 ? "odd" : "even" },
    }));
    await Promise.all(rows.map((row) => put(subject, row)));
  });

  async function query(input: Omit<QueryCommandInput, "TableName">) {
    const answer = await subject.client.send(new QueryCommand({ TableName, ...input }));
    return { ...answer, numbers: (answer.Items ?? []).map((item) => Number(item["n"]?.N)) };
  }

  const on = (condition: string, values: Row) => ({
    KeyConditionExpression: `pk = :pk AND ${condition}`,
    ExpressionAttributeValues: { ":pk": { S: "query" }, ...values },
  });
  const seq = (n: number) => ({ S: `seq#${padded(n)}` });
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at);

  test("reads a range of sort keys in order, forwards and backwards", async () => {
    expect((await query(on("begins_with(sk, :p)", { ":p": { S: "seq#" } }))).numbers).toEqual(range(0, 19));
    expect((await query(on("sk BETWEEN :a AND :b", { ":a": seq(5), ":b": seq(8) }))).numbers).toEqual(range(5, 8));
    expect((await query(on("sk >= :a", { ":a": seq(18) }))).numbers).toEqual([18, 19]);
    expect((await query(on("sk > :a", { ":a": seq(18) }))).numbers).toEqual([19]);
    expect((await query(on("sk < :a", { ":a": { S: "other#0022" } }))).numbers).toEqual([20, 21]);
    expect((await query(on("sk <= :a", { ":a": { S: "other#0022" } }))).numbers).toEqual([20, 21, 22]);
    expect((await query(on("sk = :a", { ":a": seq(3) }))).numbers).toEqual([3]);
    const backwards = await query({
      ...on("begins_with(sk, :p)", { ":p": { S: "seq#" } }),
      ScanIndexForward: false,
      Limit: 3,
    });
    expect(backwards.numbers).toEqual([19, 18, 17]);
  });

  test("sorts keys by their UTF-8 bytes", async () => {
    const names = ["a", "aa", "b", "Z", "é", "\uffee", "🚀"];
    await Promise.all(names.map((name) => put(subject, keyOf("bytes", name))));
    const answer = await subject.client.send(
      new QueryCommand({
        TableName,
        KeyConditionExpression: "pk = :pk",
        ExpressionAttributeValues: { ":pk": { S: "bytes" } },
      }),
    );
    expect(answer.Items?.map((item) => item["sk"]?.S)).toEqual(["Z", "a", "aa", "b", "é", "\uffee", "🚀"]);
  });

  test("pages with LastEvaluatedKey: every item once, a last page without one", async () => {
    const seen: number[] = [];
    let ExclusiveStartKey: Row | undefined;
    let pages = 0;
    do {
      const page = await query({ ...on("begins_with(sk, :p)", { ":p": { S: "seq#" } }), Limit: 6, ExclusiveStartKey });
      seen.push(...page.numbers);
      ExclusiveStartKey = page.LastEvaluatedKey;
      pages += 1;
    } while (ExclusiveStartKey !== undefined);
    expect(seen).toEqual(range(0, 19));
    expect(pages).toBe(4);
  });

  test.each([true, false])("pages an index whose items share sort keys (forwards: %s)", async (ScanIndexForward) => {
    const seen: number[] = [];
    let ExclusiveStartKey: Row | undefined;
    do {
      const page = await query({
        IndexName: "gsi1",
        KeyConditionExpression: "gsi1pk = :g",
        ExpressionAttributeValues: { ":g": { S: "query-index" } },
        Limit: 7,
        ScanIndexForward,
        ExclusiveStartKey,
      });
      seen.push(...page.numbers);
      ExclusiveStartKey = page.LastEvaluatedKey;
      if (ExclusiveStartKey) expect(Object.keys(ExclusiveStartKey).sort()).toEqual(["gsi1pk", "gsi1sk", "pk", "sk"]);
    } while (ExclusiveStartKey !== undefined);
    expect([...seen].sort((a, b) => a - b)).toEqual(range(0, 29));
    const days = seen.map((n) => n % 3);
    expect(days).toEqual([...days].sort((a, b) => (ScanIndexForward ? a - b : b - a)));
  });

  test("filters after reading: the limit counts what was read", async () => {
    const page = await query({
      KeyConditionExpression: "pk = :pk AND begins_with(sk, :p)",
      FilterExpression: "kind = :odd AND n > :n",
      ExpressionAttributeValues: { ":pk": { S: "query" }, ":p": { S: "seq#" }, ":odd": { S: "odd" }, ":n": { N: "2" } },
      Limit: 8,
    });
    expect(page).toMatchObject({ Count: 3, ScannedCount: 8, numbers: [3, 5, 7] });
    expect(page.LastEvaluatedKey).toEqual(keyOf("query", "seq#0007"));
  });

  test("projects and counts", async () => {
    const projected = await query({ ...on("sk = :a", { ":a": seq(4) }), ProjectionExpression: "n" });
    expect(projected.Items).toEqual([{ n: { N: "4" } }]);
    const counted = await query({ ...on("begins_with(sk, :p)", { ":p": { S: "seq#" } }), Select: "COUNT" });
    expect(counted).toMatchObject({ Count: 20, ScannedCount: 20 });
    expect(counted.Items).toBeUndefined();
  });

  test("cuts a page at 1 MB and goes on from there", async () => {
    const body = { S: "x".repeat(300_000) };
    await Promise.all(range(0, 5).map((at) => put(subject, { ...keyOf("heavy", String(at)), body })));
    const heavy = {
      TableName,
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: { ":pk": { S: "heavy" } },
    };
    const first = await subject.client.send(new QueryCommand(heavy));
    expect(first.Items?.map((item) => item["sk"]?.S)).toEqual(["0", "1", "2", "3"]);
    const second = await subject.client.send(new QueryCommand({ ...heavy, ExclusiveStartKey: first.LastEvaluatedKey }));
    expect(second.Items?.map((item) => item["sk"]?.S)).toEqual(["4", "5"]);
    expect(second.LastEvaluatedKey).toBeUndefined();
  });

  test("an index follows changes, and leaves out items without its keys", async () => {
    const inIndex = async (partition: string) => {
      const values = { ":g": { S: partition } };
      const page = await query({
        IndexName: "gsi2",
        KeyConditionExpression: "gsi2pk = :g",
        ExpressionAttributeValues: values,
      });
      return page.Items?.map((item) => item["pk"]?.S);
    };
    const change = (UpdateExpression: string, values?: Row) =>
      subject.client.send(
        new UpdateItemCommand({ TableName, Key: keyOf("mover"), UpdateExpression, ExpressionAttributeValues: values }),
      );
    await put(subject, { ...keyOf("mover"), gsi2pk: { S: "from" } });
    expect(await inIndex("from")).toEqual([]);
    await change("SET gsi2sk = :v", { ":v": { S: "1" } });
    expect(await inIndex("from")).toEqual(["mover"]);
    await change("SET gsi2pk = :v", { ":v": { S: "to" } });
    expect([await inIndex("from"), await inIndex("to")]).toEqual([[], ["mover"]]);
    await change("REMOVE gsi2sk");
    expect(await inIndex("to")).toEqual([]);
  });

  test("scans the table and an index", async () => {
    const scan = (IndexName?: string) =>
      subject.client.send(
        new ScanCommand({
          TableName,
          IndexName,
          FilterExpression: "kind = :k",
          ExpressionAttributeValues: { ":k": { S: "odd" } },
        }),
      );
    expect((await scan("gsi1")).Count).toBe(15);
    let found = 0;
    let ExclusiveStartKey: Row | undefined;
    do {
      const page = await subject.client.send(new ScanCommand({ TableName, ExclusiveStartKey, Limit: 25 }));
      found += page.Items?.filter((item) => item["kind"]?.S === "odd").length ?? 0;
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined);
    expect(found).toBe(15);
  });

  test("refuses what no query can do", async () => {
    const index = await failureOf(query({ ...on("sk = :a", { ":a": seq(1) }), IndexName: "absent" }));
    expect(index).toMatchObject({
      name: "ValidationException",
      message: "The table does not have the specified index: absent",
    });
    const consistent = {
      IndexName: "gsi1",
      KeyConditionExpression: "gsi1pk = :g",
      ExpressionAttributeValues: { ":g": { S: "g" } },
      ConsistentRead: true,
    };
    expect((await failureOf(query(consistent))).message).toBe(
      "Consistent reads are not supported on global secondary indexes",
    );
    const noHash = await failureOf(
      query({ KeyConditionExpression: "sk = :a", ExpressionAttributeValues: { ":a": seq(1) } }),
    );
    expect(noHash.message).toContain("Query condition missed key schema element");
    const onKey = await failureOf(query({ ...on("sk > :a", { ":a": seq(1) }), FilterExpression: "sk <> :a" }));
    expect(onKey.message).toBe(
      "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk",
    );
  });
}
