import { setTimeout as pause } from "node:timers/promises";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import type { Platform } from "../../infra/local/platform.ts";
import { localAccount } from "../../infra/local/contract.ts";
import { canAdopt } from "../../shared/domain/warm/warm.decisions.ts";
import { listWarm } from "../../shared/domain/warm/warm.ts";

const lookMs = 100;
const longestMs = 60_000;
/** What its start took of the machine is over by then. */
const settleMs = 1_500;

/** Waits until a sandbox waits for a session, as the table has it. Throws where none ever does. */
export function poolOf({ awsUrl, operatorKey, stack, runSchedule }: Platform): () => Promise<void> {
  const credentials = operatorKey;
  const client = new DynamoDBClient({ endpoint: awsUrl, region: localAccount.region, credentials });
  const name = stack.tables[0]?.definition.TableName ?? "";
  const table = { client: DynamoDBDocumentClient.from(client), name };
  return async () => {
    const end = performance.now() + longestMs;
    runSchedule("Sweeper");
    while (!(await listWarm(table)).some((warm) => canAdopt(warm, Date.now()))) {
      if (performance.now() > end) throw new Error("no sandbox waits for a session");
      await pause(lookMs);
    }
    await pause(settleMs);
  };
}
