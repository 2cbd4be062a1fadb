import { spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { readOperatorFile, writeOperatorFile } from "../../../infra/local/operator-file.ts";
import { startPlatform, type Platform } from "../../../infra/local/platform.ts";
import { loadItems, type Golden } from "../../golden/items.ts";
import { scratchDirectory } from "../local-host/assembly.ts";
import { synthesizeStubs } from "../local-host/stub-project.ts";

const root = resolve(import.meta.dirname, "../../..");
const directory = scratchDirectory();
const stateDir = join(directory, "state");

const golden = (name: string) =>
  JSON.parse(readFileSync(join(root, `test/golden/v0.1/${name}.json`), "utf8")) as Golden;
const healthy = [golden("finished-turns"), golden("broken-off")];
const damaged = golden("interrupted-tools");
const bodyGone = golden("large-bodies");

let platform: Platform;

/** The doctor as an operator starts it, with nothing of this process's environment. */
function doctor(args: string[], env: Record<string, string> = {}): Promise<{ code: number | null; lines: string[] }> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, ["--import", "tsx", "scripts/doctor.ts", ...args], {
      cwd: root,
      env: { PATH: process.env["PATH"], SANDBOX_STATE_DIR: stateDir, ...env },
    });
    const chunks: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", failed);
    child.on("close", (code) => done({ code, lines: Buffer.concat(chunks).toString("utf8").trim().split("\n") }));
  });
}

/** Puts sessions into the platform's table as somebody with its operator's key would. */
async function seed(): Promise<void> {
  const operator = readOperatorFile(stateDir) ?? {};
  const access = {
    endpoint: platform.awsUrl,
    region: operator["AWS_REGION"] ?? "",
    credentials: {
      accessKeyId: operator["AWS_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: operator["AWS_SECRET_ACCESS_KEY"] ?? "",
    },
  };
  const client = DynamoDBDocumentClient.from(new DynamoDBClient(access));
  const table = { client, name: operator["TABLE_NAME"] ?? "" };
  for (const { items } of [...healthy, bodyGone]) await loadItems(table, items);
  // One result of a call, and one row of the ledger, as if they had never been written.
  const result = damaged.items.findIndex((item) => item["type"] === "tool.completed");
  const kept = damaged.items.filter((item, at) => at !== result && item["__edb_e__"] !== "tokenUsage");
  if (kept.length !== damaged.items.length - 2) throw new Error("the recording has other rows");
  await loadItems(table, kept);
  client.destroy();
}

beforeAll(async () => {
  platform = await startPlatform({ ...synthesizeStubs(directory), stateDir, model: "rehearsal" });
  writeOperatorFile(platform);
  await seed();
}, 120_000);
afterAll(() => platform.stop());

test("the operator's file is for this user only", () => {
  expect(statSync(join(stateDir, "operator.env")).mode & 0o777).toBe(0o600);
});

test("every session of a running platform is checked; what is wrong is told by ids, and by the exit code", async () => {
  const { code, lines } = await doctor(["--repair-hint"]);
  const text = lines.join("\n");
  expect(code).toBe(1);
  const { tenant_id, session_id } = damaged.key;
  expect(lines.filter((line) => line.startsWith(`${tenant_id} I2 ${session_id}`)).join("\n")).toContain(
    "has no result",
  );
  expect(lines.filter((line) => line.startsWith(`${tenant_id} I3 ${session_id}`)).join("\n")).toContain(
    "was not billed",
  );
  expect(text).toContain(`${tenant_id} I7 ${session_id}`);
  expect(text).toContain(`${bodyGone.key.tenant_id} I7 ${bodyGone.key.session_id}`);
  for (const { key } of healthy) expect(text).not.toContain(key.session_id);
  expect(text).not.toMatch(/Build it|output of|Half of/);
  expect(text).toContain("I2: every tool call has exactly one result");
  expect(lines.at(-1)).toMatch(/^4 sessions, \d+ rows, [1-9]\d* violations, \d+\.\d s$/);
}, 60_000);

test("one tenant, one session, by the names of a stack's table and bucket", async () => {
  const operator = readOperatorFile(stateDir) ?? {};
  const stack = ["--table", operator["TABLE_NAME"] ?? "", "--bucket", operator["BUCKET_NAME"] ?? ""];
  const [{ key }] = healthy as [Golden];
  const env = { ...operator, SANDBOX_STATE_DIR: "/nowhere" };
  const [tenant, session, other] = await Promise.all([
    doctor([...stack, "--tenant", key.tenant_id], env),
    doctor([...stack, "--session", key.session_id], env),
    doctor([...stack, "--tenant", damaged.key.tenant_id, "--session", damaged.key.session_id], env),
  ]);
  for (const { code, lines } of [tenant, session]) {
    expect(lines).toEqual([expect.stringMatching(/^1 sessions, \d+ rows, 0 violations, /)]);
    expect(code).toBe(0);
  }
  expect(other.code).toBe(1);
}, 60_000);

test("without a platform it says so", async () => {
  const { code, lines } = await doctor([], { SANDBOX_STATE_DIR: join(directory, "nothing") });
  expect(code).toBe(2);
  expect(lines[0]).toMatch(/^No platform runs on /);
}, 60_000);
