import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { readOperatorFile } from "../infra/local/operator-file.ts";
import { s3Objects } from "../shared/adapters/objects-s3.ts";
import { examine, lineOf } from "../shared/domain/doctor/examine.ts";
import { repairHints } from "../shared/domain/doctor/hints.ts";
import { readSessionForDoctor, type DoctorDeps } from "../shared/domain/doctor/read.ts";
import { invariants, type Invariant } from "../shared/domain/doctor/violation.ts";
import { walkSessions } from "../shared/domain/session/walk.ts";
import { inParallel } from "../shared/in-parallel.ts";
import type { SessionKey } from "../shared/domain/timeline/row.ts";

const usage = `usage: npm run doctor -- [--tenant T] [--session S] [--repair-hint] [--table TableName --bucket BucketName]
Checks what is stored of every session, and changes nothing. With the names of a stack's table and bucket it uses the AWS
credentials and region of the shell; without them, the platform that runs on this machine (npm start). Exit code 1: something is wrong.`;

const sessionsAtOnce = 8;

interface Options {
  table: string;
  bucket: string;
  tenant: string | null;
  session: string | null;
  hints: boolean;
}

function readOptions(): Options {
  const text = { type: "string" } as const;
  const options = {
    table: text,
    bucket: text,
    tenant: text,
    session: text,
    "repair-hint": { type: "boolean" },
  } as const;
  const { values } = parseArgs({ options });
  const { tenant = null, session = null, "repair-hint": hints = false } = values;
  if (values.table && values.bucket) return { table: values.table, bucket: values.bucket, tenant, session, hints };
  if (values.table || values.bucket) throw new Error(usage);
  const stateDir = resolve(process.env["SANDBOX_STATE_DIR"] ?? resolve(import.meta.dirname, "../.local"));
  const operator = readOperatorFile(stateDir);
  if (!operator) throw new Error(`No platform runs on ${stateDir}.\n\n${usage}`);
  Object.assign(process.env, operator);
  return { table: operator["TABLE_NAME"] ?? "", bucket: operator["BUCKET_NAME"] ?? "", tenant, session, hints };
}

/** What was found so far. */
const found = { sessions: 0, rows: 0, violations: 0, restless: 0, broken: new Set<Invariant>() };

async function check(deps: DoctorDeps, key: SessionKey): Promise<void> {
  const rows = await readSessionForDoctor(deps, key);
  found.sessions += 1;
  if (!rows) {
    found.restless += 1;
    return;
  }
  const { log, calls, containers, ledger, days, runs } = rows;
  found.rows += 1 + log.length + calls.length + containers.length + ledger.length + days.length + runs.length;
  const violations = examine(rows, { now: Date.now() });
  found.violations += violations.length;
  for (const violation of violations) {
    found.broken.add(violation.invariant);
    console.log(`${key.tenant_id} ${lineOf(violation)}`);
  }
}

async function checkAll(deps: DoctorDeps, { tenant, session }: Options): Promise<void> {
  if (tenant !== null && session !== null) return check(deps, { tenant_id: tenant, session_id: session });
  for await (const page of walkSessions(deps.table, tenant)) {
    const wanted = session === null ? page : page.filter(({ session_id }) => session_id === session);
    await inParallel(wanted, sessionsAtOnce, (key) => check(deps, key));
  }
}

async function main(): Promise<void> {
  const options = readOptions();
  const startedMs = Date.now();
  const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));
  const store = new S3Client({});
  await checkAll({ table: { client, name: options.table }, objects: s3Objects(store, options.bucket) }, options);
  client.destroy();
  store.destroy();
  for (const id of options.hints ? [...found.broken].toSorted() : []) {
    console.log(`\n${id}: ${invariants[id]}\n  ${repairHints[id]}`);
  }
  const { sessions, rows, violations, restless } = found;
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  console.log(`${sessions} sessions, ${rows} rows, ${violations} violations, ${seconds} s`);
  if (restless > 0) console.log(`${restless} sessions were not read: gone, or never at rest meanwhile`);
  if (violations > 0) process.exitCode = 1;
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
});
