import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, ScanCommand } from "@aws-sdk/lib-dynamodb";
import type { Platform } from "../../../infra/local/platform.ts";
import { localAccount } from "../../../infra/local/contract.ts";

export interface Needle {
  name: string;
  text: string;
}

/** As the scanner takes it: nothing of it in clear, neither on the way nor at rest. */
export const turned = (needles: readonly Needle[]) =>
  needles.map(({ name, text }) => ({
    name,
    text: Buffer.from([...Buffer.from(text)].map((byte) => byte ^ 0x5a)).toString("base64"),
  }));

/** Texts in the values of secrets, whatever JSON they are in. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") {
    try {
      const parsed: unknown = JSON.parse(value);
      if (typeof parsed === "object" && parsed !== null) return textsIn(parsed);
    } catch {
      // no JSON
    }
    return value.length >= 16 ? [value] : [];
  }
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

/** What Secrets Manager keeps, as its emulation has it on disk. */
export function storedSecrets(stateDir: string): Needle[] {
  const stored = JSON.parse(readFileSync(join(stateDir, "secrets.json"), "utf8")) as Record<
    string,
    { value: string }[]
  >;
  return Object.entries(stored).flatMap(([name, versions]) =>
    versions.flatMap(({ value }) => textsIn(value).map((text) => ({ name: `secret ${name}`, text }))),
  );
}

/** Of the containers' rows: what opens a supervisor's doors. */
export async function containerKeys(platform: Platform): Promise<(Needle & { session: string })[]> {
  const { accessKeyId, secretAccessKey } = platform.operatorKey;
  const credentials = { accessKeyId, secretAccessKey };
  const client = new DynamoDBClient({ endpoint: platform.awsUrl, region: localAccount.region, credentials });
  const [table] = platform.stack.tables;
  const found = await DynamoDBDocumentClient.from(client).send(
    new ScanCommand({
      TableName: table?.definition.TableName ?? "",
      FilterExpression: "attribute_exists(preview_key)",
    }),
  );
  client.destroy();
  return (found.Items ?? []).flatMap((row) =>
    ["preview_key", "control_key"].map((name) => ({
      name: `${name} of epoch ${String(row["epoch"])}`,
      text: String(row[name]),
      session: String(row["session_id"]),
    })),
  );
}

export function environmentOf(pid: number): Record<string, string> {
  const entries = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);
  return Object.fromEntries(
    entries.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

/** Which needles are in which files below a folder. */
export function foundBelow(folder: string, needles: readonly Needle[]): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || statSync(path).size > 512 * 1024 * 1024) return [];
    const bytes = readFileSync(path);
    return needles.filter(({ text }) => bytes.includes(text)).map(({ name }) => `${name} in ${path}`);
  });
}
