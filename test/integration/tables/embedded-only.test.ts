import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DynamoDBClient,
  QueryCommand,
  TransactGetItemsCommand,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import type { Caller } from "../../../infra/local/contract.ts";
import { platformTable, startTablesServer, type TablesServer } from "../../../infra/local/tables/server.ts";
import { tableKeys } from "../../../shared/data/table.ts";
import { failureOf, keyOf, put, read, type Row, type Subject } from "./subject.ts";

const tableName = "sandbox";
const tables = [platformTable(tableName)];
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function connect(endpoint: string): Subject {
  const client = new DynamoDBClient({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "k", secretAccessKey: "s" },
    maxAttempts: 1,
  });
  cleanups.push(async () => client.destroy());
  return { client, tableName };
}

async function start(
  options: Partial<Parameters<typeof startTablesServer>[0]> = {},
): Promise<{ server: TablesServer; subject: Subject }> {
  const server = await startTablesServer({ tables, ...options });
  cleanups.push(() => server.stop());
  return { server, subject: connect(server.endpoint) };
}

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "tables-"));
  cleanups.push(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function rowsOf(subject: Subject, partition: string, IndexName?: "gsi1" | "gsi2"): Promise<Row[]> {
  const KeyConditionExpression = `${IndexName ?? ""}pk = :p`;
  const command = new QueryCommand({
    TableName: tableName,
    IndexName,
    KeyConditionExpression,
    ExpressionAttributeValues: { ":p": { S: partition } },
  });
  return (await subject.client.send(command)).Items ?? [];
}

describe("expired items", () => {
  const nowSeconds = 1_900_000_000;
  const clock = { now: () => nowSeconds * 1000 };
  const expiring = (sk: string, seconds: number): Row => ({
    ...keyOf("ttl", sk),
    gsi1pk: { S: "ttl-index" },
    gsi1sk: { S: sk },
    [tableKeys.timeToLive]: { N: String(seconds) },
  });

  test("are swept from the table and its indexes, and nothing else is", async () => {
    const { server, subject } = await start({ clock });
    await put(subject, expiring("past", nowSeconds - 1));
    await put(subject, expiring("future", nowSeconds + 1));
    await put(subject, expiring("renewed", nowSeconds - 1));
    await put(subject, expiring("renewed", nowSeconds + 60));
    await put(subject, expiring("milliseconds by mistake", nowSeconds * 1000));
    await put(subject, expiring("ages ago", nowSeconds - 6 * 365 * 24 * 3600));
    expect(await server.sweep()).toBe(1);
    const kept = ["ages ago", "future", "milliseconds by mistake", "renewed"];
    expect((await rowsOf(subject, "ttl")).map((row) => row["sk"]?.S)).toEqual(kept);
    expect((await rowsOf(subject, "ttl-index", "gsi1")).map((row) => row["sk"]?.S)).toEqual(kept);
    expect(await server.sweep()).toBe(0);
  });

  test("are swept by themselves at the interval", async () => {
    const { subject } = await start({ clock, sweepEveryMs: 5 });
    await put(subject, expiring("past", nowSeconds - 1));
    while ((await read(subject, keyOf("ttl", "past"))) !== undefined) await new Promise(setImmediate);
  });
});

describe("tables on disk", () => {
  test("keep items, indexes and transaction tokens over a restart", async () => {
    const path = await directory();
    const write = new TransactWriteItemsCommand({
      ClientRequestToken: "kept-token",
      TransactItems: [
        {
          Update: {
            TableName: tableName,
            Key: keyOf("kept"),
            UpdateExpression: "ADD n :one SET gsi1pk = :g, gsi1sk = :g",
            ExpressionAttributeValues: { ":one": { N: "1" }, ":g": { S: "g" } },
          },
        },
      ],
    });
    const first = await start({ path });
    await first.subject.client.send(write);
    await first.server.stop();
    const second = await start({ path });
    await second.subject.client.send(write);
    expect(await read(second.subject, keyOf("kept"))).toMatchObject({ n: { N: "1" } });
    expect(await rowsOf(second.subject, "g", "gsi1")).toHaveLength(1);
  });

  test("a token is forgotten after ten minutes", async () => {
    let now = 1_900_000_000_000;
    const { server, subject } = await start({ clock: { now: () => now } });
    const add = () =>
      subject.client.send(
        new TransactWriteItemsCommand({
          ClientRequestToken: "short-lived",
          TransactItems: [
            {
              Update: {
                TableName: tableName,
                Key: keyOf("n"),
                UpdateExpression: "ADD n :one",
                ExpressionAttributeValues: { ":one": { N: "1" } },
              },
            },
          ],
        }),
      );
    await add();
    now += 599_999;
    await server.sweep();
    await add();
    expect(await read(subject, keyOf("n"))).toMatchObject({ n: { N: "1" } });
    now += 1;
    await add();
    expect(await read(subject, keyOf("n"))).toMatchObject({ n: { N: "2" } });
  });

  test("get an index and an expiry that the definition adds later, filled from the items there", async () => {
    const path = await directory();
    const { GlobalSecondaryIndexes = [], TimeToLiveSpecification: _none, ...bare } = platformTable(tableName);
    const before = {
      ...bare,
      AttributeDefinitions: bare.AttributeDefinitions.slice(0, 4),
      GlobalSecondaryIndexes: GlobalSecondaryIndexes.slice(0, 1),
    };
    const old = await start({ path, tables: [before] });
    await put(old.subject, {
      ...keyOf("item"),
      gsi2pk: { S: "later" },
      gsi2sk: { S: "1" },
      [tableKeys.timeToLive]: { N: "1800000000" },
    });
    await old.server.stop();
    const { server, subject } = await start({ path, clock: { now: () => 1_800_000_001_000 } });
    expect(await rowsOf(subject, "later", "gsi2")).toHaveLength(1);
    expect(await server.sweep()).toBe(1);
    expect(await rowsOf(subject, "later", "gsi2")).toHaveLength(0);
  });

  test("a process killed in the middle of transactions leaves no half of one", async () => {
    const path = await directory();
    const child = spawn(
      process.execPath,
      ["--import", "tsx", join(import.meta.dirname, "../../support/tables-process.ts"), path],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const victim = connect(line.toString().trim());
    let acknowledged = 0;
    const append = (n: number) => {
      const rows = [1, 2, 3, 4].map((part) => ({
        Put: {
          TableName: tableName,
          Item: { ...keyOf("rows", `${n}#${part}`), gsi1pk: { S: "rows" }, gsi1sk: { S: String(n) } },
        },
      }));
      const count = {
        Update: {
          TableName: tableName,
          Key: keyOf("head"),
          UpdateExpression: "ADD n :four",
          ExpressionAttributeValues: { ":four": { N: "4" } },
        },
      };
      return victim.client
        .send(new TransactWriteItemsCommand({ TransactItems: [count, ...rows] }))
        .then(() => (acknowledged += 4));
    };
    const writers = Array.from({ length: 200 }, (_, at) => append(at).catch(() => undefined));
    await Promise.race(writers);
    child.kill("SIGKILL");
    await once(child, "exit");
    await Promise.all(writers);
    const { subject } = await start({ path });
    const head = Number((await read(subject, keyOf("head")))?.["n"]?.N);
    expect(await rowsOf(subject, "rows")).toHaveLength(head);
    expect(await rowsOf(subject, "rows", "gsi1")).toHaveLength(head);
    expect(head).toBeGreaterThanOrEqual(acknowledged);
    expect(acknowledged).toBeGreaterThan(0);
  });
});

describe("permissions", () => {
  function only(...allowed: string[]): Caller {
    return {
      roleId: "TurnRole",
      allows: (action, resource) => allowed.includes(`${action} ${resource.split(":table/")[1]}`),
    };
  }

  test("a transaction needs the single action of each part", async () => {
    const { subject } = await start({ caller: only("dynamodb:PutItem sandbox", "dynamodb:GetItem sandbox") });
    const send = (...parts: ("Put" | "Delete")[]) =>
      subject.client.send(
        new TransactWriteItemsCommand({
          TransactItems: parts.map((part, at) =>
            part === "Put"
              ? { Put: { TableName: tableName, Item: keyOf("p", String(at)) } }
              : { Delete: { TableName: tableName, Key: keyOf("p", String(at)) } },
          ),
        }),
      );
    await send("Put", "Put");
    const failure = await failureOf(send("Put", "Delete"));
    expect(failure.name).toBe("AccessDeniedException");
    expect(failure.message).toContain(
      "TurnRole is not authorized to perform: dynamodb:DeleteItem on resource: arn:aws:dynamodb:us-east-1:000000000000:table/sandbox",
    );
    await subject.client.send(
      new TransactGetItemsCommand({ TransactItems: [{ Get: { TableName: tableName, Key: keyOf("p", "0") } }] }),
    );
  });

  test("a query of an index needs the index, not the table", async () => {
    const { subject } = await start({ caller: only("dynamodb:Query sandbox/index/gsi1") });
    expect(await rowsOf(subject, "x", "gsi1")).toEqual([]);
    expect((await failureOf(rowsOf(subject, "x"))).name).toBe("AccessDeniedException");
    expect((await failureOf(rowsOf(subject, "x", "gsi2"))).name).toBe("AccessDeniedException");
  });
});

test("a body that is not JSON and an unknown operation get DynamoDB's errors", async () => {
  const { server } = await start();
  const post = async (target: string, body: string) => {
    const answer = await fetch(server.endpoint, {
      method: "POST",
      body,
      headers: { "x-amz-target": target, "content-type": "application/x-amz-json-1.0" },
    });
    return [answer.status, ((await answer.json()) as { __type: string }).__type.split("#")[1]];
  };
  expect(await post("DynamoDB_20120810.GetItem", "{")).toEqual([400, "SerializationException"]);
  expect(await post("DynamoDB_20120810.toString", "{}")).toEqual([400, "UnknownOperationException"]);
  expect(await post("DynamoDB_20120810.ExecuteStatement", "{}")).toEqual([400, "UnknownOperationException"]);
});
