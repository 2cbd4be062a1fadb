import { parseArgs } from "node:util";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { limitsOf } from "../shared/config/plans.ts";
import type { Table } from "../shared/data/service.ts";
import { adoptSessions } from "../shared/domain/quota/adopt.ts";
import { changePlan, storedPlan } from "../shared/domain/quota/plan.ts";
import { readQuota, type QuotaName } from "../shared/domain/quota/quota.ts";
import { planNames } from "../shared/ports/plans.ts";

const usage = `usage: npm run plan -- <tenant_id> [${planNames.join(" | ")}] --table <TableName of the stack>
Shows a tenant's plan, or changes it. Uses the AWS credentials and region of the shell.`;

const counters: QuotaName[] = ["storedSessions", "promptsInFlight", "runningContainers"];

function readArguments() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { table: { type: "string" } } });
  const [tenantId, name, ...more] = positionals;
  const plan = planNames.find((known) => known === name);
  if (!values.table || !tenantId || more.length > 0 || (name !== undefined && !plan)) throw new Error(usage);
  return { tableName: values.table, tenantId, plan };
}

async function show(table: Table, tenantId: string): Promise<void> {
  const plan = await storedPlan(table, tenantId);
  console.log(`${tenantId}: ${plan ?? "the stage's default plan"}`);
  const limits = plan ? limitsOf(plan) : null;
  for (const name of counters) {
    const counted = await readQuota(table, tenantId, name);
    console.log(`  ${name}: ${counted} counted, ${limits ? (limits[name] ?? "unlimited") : "limit by the stage"}`);
  }
}

/** First the plan, then what it counts from now on: a session that is made in between is counted once. */
async function main(): Promise<void> {
  const { tableName, tenantId, plan } = readArguments();
  const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));
  const table = { client, name: tableName };
  if (plan) {
    await changePlan(table, tenantId, plan);
    if (limitsOf(plan).storedSessions !== null) {
      console.log("waiting a minute, until every process knows the plan");
      await new Promise((resolve) => setTimeout(resolve, 60_000));
      console.log(`${await adoptSessions(table, tenantId)} sessions are counted from now on`);
    }
  }
  await show(table, tenantId);
  client.destroy();
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
