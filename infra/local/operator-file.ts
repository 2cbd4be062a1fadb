import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { localAccount } from "./contract.ts";
import type { Platform } from "./platform.ts";

const fileOf = (stateDir: string) => join(stateDir, "operator.env");

/**
 * Lets the person who runs this machine in with any SDK client: the operator's key, for as long as the platform runs, in a
 * file that only this user can read. Answers how to take it back.
 */
export function writeOperatorFile({ stateDir, stack, awsUrl, operatorKey }: Platform): () => void {
  const variables = {
    AWS_ENDPOINT_URL: awsUrl,
    AWS_REGION: localAccount.region,
    AWS_ACCESS_KEY_ID: operatorKey.accessKeyId,
    AWS_SECRET_ACCESS_KEY: operatorKey.secretAccessKey,
    TABLE_NAME: stack.tables[0]?.definition.TableName ?? "",
    BUCKET_NAME: stack.buckets[0]?.name ?? "",
  };
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  rmSync(fileOf(stateDir), { force: true });
  writeFileSync(fileOf(stateDir), lines.join(""), { mode: 0o600 });
  return () => rmSync(fileOf(stateDir), { force: true });
}

/** Null where no platform runs on this state. */
export function readOperatorFile(stateDir: string): Record<string, string> | null {
  if (!existsSync(fileOf(stateDir))) return null;
  const lines = readFileSync(fileOf(stateDir), "utf8").trim().split("\n");
  return Object.fromEntries(lines.map((line) => [line.split("=")[0] ?? "", line.slice(line.indexOf("=") + 1)]));
}
