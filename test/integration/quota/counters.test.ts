import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { randomIds } from "../../../shared/adapters/random-ids.ts";
import { rows, type Table } from "../../../shared/data/service.ts";
import { adoptSessions } from "../../../shared/domain/quota/adopt.ts";
import { giveBack, readQuota, takeQuota } from "../../../shared/domain/quota/quota.ts";
import { startTestTable, type TestTable } from "../../support/test-table.ts";

let server: TestTable;
let table: Table;
beforeAll(async () => {
  server = await startTestTable();
  table = { client: DynamoDBDocumentClient.from(server.client), name: server.tableName };
});
afterAll(() => server.stop());

async function newTenant(): Promise<string> {
  const tenant_id = randomIds.next("ten");
  await rows(table).entities.tenant.create({ tenant_id, name: "T", created_at: 1, owners: 1 }).go();
  return tenant_id;
}

async function take(tenant_id: string, limit: number): Promise<boolean> {
  const answer = await rows(table)
    .transaction.write((entities) => takeQuota(entities, tenant_id, "storedSessions", limit))
    .go();
  return !answer.canceled;
}

const used = (tenant_id: string) => readQuota(table, tenant_id, "storedSessions");

test("of many at once, exactly as many get one as the limit allows; one that is given back can be taken again", async () => {
  const tenant_id = await newTenant();
  const taken = await Promise.all(Array.from({ length: 30 }, () => take(tenant_id, 7)));
  expect(taken.filter(Boolean)).toHaveLength(7);
  await rows(table)
    .transaction.write((entities) => [giveBack(entities, tenant_id, "storedSessions")])
    .go();
  expect([await take(tenant_id, 7), await take(tenant_id, 7)]).toEqual([true, false]);
  expect(await used(tenant_id)).toBe(7);
});

test("a limit of none allows none, also the first", async () => {
  const tenant_id = await newTenant();
  expect(await take(tenant_id, 0)).toBe(false);
  expect(await used(tenant_id)).toBe(0);
});

test("an unlimited tenant costs no write", () => {
  expect(takeQuota({} as never, "ten_1", "storedSessions", null)).toEqual([]);
});

async function newSession(tenant_id: string, counted: boolean): Promise<void> {
  const at = { created_at: 1, updated_at: 1, last_activity_at: 1 };
  const session = { tenant_id, session_id: randomIds.uuid(), title: "S", created_by: "usr_1", ...at };
  await rows(table)
    .entities.session.create({ ...session, messages: "null", sbx_config: "null", inbox_status: "active", counted })
    .go();
}

test("sessions that were made without a limit are counted once, whoever does it and however often", async () => {
  const tenant_id = await newTenant();
  for (const counted of [true, false, false, false]) await newSession(tenant_id, counted);
  await take(tenant_id, 10);
  const adopted = await Promise.all([adoptSessions(table, tenant_id), adoptSessions(table, tenant_id)]);
  expect(adopted.reduce((sum, count) => sum + count, 0)).toBe(3);
  expect(await adoptSessions(table, tenant_id)).toBe(0);
  expect(await used(tenant_id)).toBe(4);
});

describe("npm run plan", () => {
  const root = resolve(import.meta.dirname, "../../..");
  async function plan(...args: string[]): Promise<{ code: number; said: string }> {
    const env = {
      PATH: process.env["PATH"],
      AWS_ENDPOINT_URL_DYNAMODB: server.endpoint,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    };
    const run = promisify(execFile)(process.execPath, ["--import", "tsx", "scripts/plan.ts", ...args], {
      cwd: root,
      env,
    });
    return run.then(
      ({ stdout }) => ({ code: 0, said: stdout }),
      (error: { code: number; stderr: string }) => ({ code: error.code, said: error.stderr }),
    );
  }
  const named = () => ["--table", table.name];

  test("shows and changes a tenant's plan", async () => {
    const tenant_id = await newTenant();
    await take(tenant_id, 5);
    expect(await plan(tenant_id, ...named())).toMatchObject({ code: 0, said: expect.stringContaining("default plan") });
    const { said } = await plan(tenant_id, "unlimited", ...named());
    expect(said).toContain(`${tenant_id}: unlimited`);
    expect(said).toContain("storedSessions: 1 counted, unlimited");
  }, 60_000);

  test.each([
    ["an unknown tenant", () => [randomIds.next("ten"), "unlimited"], "no such tenant"],
    ["an unknown plan", () => ["ten_1", "platinum"], "usage:"],
  ])(
    "refuses %s",
    async (_, args, why) => {
      expect(await plan(...args(), ...named())).toMatchObject({ code: 1, said: expect.stringContaining(why) });
    },
    60_000,
  );
});
