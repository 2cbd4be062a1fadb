import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand, PutCommand, QueryCommand } from "@aws-sdk/lib-dynamodb";
import { platformTable, startTablesServer } from "../../../infra/local/tables/server.ts";
import { emptyConversation } from "../../../shared/domain/session/first-rows.ts";
import { startSessions, unknownId, type Sessions } from "./support.ts";

/** As version 0.1 wrote it: no keys for byParent and byRepo, no words, no counter, no branch, no followers. */
const oldRow = (tenant_id: string, now: number) => ({
  pk: `$platform#tenant_id_${tenant_id}`,
  sk: `$session_1#session_id_${unknownId}`,
  gsi1pk: `$platform#tenant_id_${tenant_id}`,
  gsi1sk: `$session_1#last_activity_at_0${now}#session_id_${unknownId}`,
  gsi2pk: `$platform#tenant_id_${tenant_id}#inbox_status_active`,
  gsi2sk: `$session_1#last_activity_at_0${now}#session_id_${unknownId}`,
  __edb_e__: "session",
  __edb_v__: "1",
  tenant_id,
  session_id: unknownId,
  title: "An old session",
  repo: "acme/old",
  repo_url: "https://git.test/acme/old",
  branch: "old-123456",
  messages: '{"content":"hi"}',
  sbx_config: "null",
  inbox_status: "active",
  created_by: "usr_U",
  created_at: now,
  updated_at: now,
  last_activity_at: now,
});

it("a table of before the indexes byParent and byRepo opens, and keeps its rows", async () => {
  const path = mkdtempSync(join(tmpdir(), "old-table-"));
  const whole = platformTable("sandbox");
  const indexes = whole.GlobalSecondaryIndexes!.slice(0, 2);
  const used = new Set([whole, ...indexes].flatMap(({ KeySchema }) => KeySchema.map((key) => key.AttributeName)));
  const AttributeDefinitions = whole.AttributeDefinitions.filter(({ AttributeName }) => used.has(AttributeName));
  const old = { ...whole, AttributeDefinitions, GlobalSecondaryIndexes: indexes };
  const row = { ...oldRow("ten_T", 1763715600000), gsi4pk: "later", gsi4sk: "later" };
  for (const [definition, use] of [
    [old, (client: DynamoDBDocumentClient) => client.send(new PutCommand({ TableName: "sandbox", Item: row }))],
    [
      whole,
      async (client: DynamoDBDocumentClient) => {
        const { pk, sk } = row;
        const kept = await client.send(new GetCommand({ TableName: "sandbox", Key: { pk, sk } }));
        expect(kept.Item).toEqual(row);
        const asked = { KeyConditionExpression: "gsi4pk = :p", ExpressionAttributeValues: { ":p": "later" } };
        const found = await client.send(new QueryCommand({ TableName: "sandbox", IndexName: "gsi4", ...asked }));
        expect(found.Items).toEqual([row]);
      },
    ],
  ] as const) {
    const server = await startTablesServer({ tables: [definition], path });
    const credentials = { accessKeyId: "k", secretAccessKey: "s" };
    const client = new DynamoDBClient({ endpoint: server.endpoint, region: "us-east-1", credentials });
    await use(DynamoDBDocumentClient.from(client));
    client.destroy();
    await server.stop();
  }
  rmSync(path, { recursive: true });
});

describe("a session of version 0.1", () => {
  let sessions: Sessions;
  beforeAll(async () => {
    sessions = await startSessions();
    const { client, name } = sessions.deps.table;
    const { tenant } = sessions.owner;
    const now = sessions.clock.now();
    await client.send(new PutCommand({ TableName: name, Item: oldRow(tenant.id, now) }));
    await sessions.entities.conversation
      .create(emptyConversation({ tenant_id: tenant.id, session_id: unknownId }, now))
      .go();
  });
  afterAll(() => sessions.stop());

  it("is read, listed, prompted and changed, and found by its repository after its first change", async () => {
    const id = unknownId;
    expect(await sessions.read({ id })).toMatchObject({ title: "An old session", messages: { content: "hi" } });
    expect(await sessions.list("inbox_status=active")).toEqual([id]);
    expect((await sessions.ask("POST", `/sessions/${id}/messages`, { content: "go on" })).status).toBe(202);
    expect((await sessions.ask("PATCH", `/sessions/${id}`, { title: "A found session" })).status).toBe(200);
    expect(await sessions.list("repo=acme/old")).toEqual([id]);
    expect(await sessions.list("q=found")).toEqual([id]);
    expect((await sessions.ask("PATCH", `/sessions/${id}`, { inbox_status: "archived" })).status).toBe(200);
    expect((await sessions.ask("GET", "/inbox/counts")).body["inbox_status"]).toMatchObject({ active: 0, archived: 1 });
    expect((await sessions.ask("DELETE", `/sessions/${id}`)).status).toBe(204);
    expect(await sessions.list("")).toEqual([]);
  });
});
