import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { readOperatorFile } from "../../infra/local/operator-file.ts";
import { s3Objects } from "../../shared/adapters/objects-s3.ts";
import { examine, lineOf } from "../../shared/domain/doctor/examine.ts";
import { readSessionForDoctor } from "../../shared/domain/doctor/read.ts";
import type { SessionKey } from "../../shared/domain/timeline/row.ts";
import type { Billed } from "./billing-check.ts";

export interface Stored {
  /** What the doctor says. */
  violations: string[];
  ledger: Billed[];
  taskIds: string[];
}

/** What the tables hold of a session, read with the operator's key, and the doctor's findings. */
export async function readStored(stateDir: string, key: SessionKey): Promise<Stored> {
  const operator = readOperatorFile(stateDir);
  if (operator === null) throw new Error(`no platform runs on ${stateDir}`);
  const access = {
    endpoint: operator["AWS_ENDPOINT_URL"],
    region: operator["AWS_REGION"] ?? "",
    credentials: {
      accessKeyId: operator["AWS_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: operator["AWS_SECRET_ACCESS_KEY"] ?? "",
    },
  };
  const dynamo = new DynamoDBClient(access);
  const s3 = new S3Client({ ...access, forcePathStyle: true });
  try {
    const client = DynamoDBDocumentClient.from(dynamo, { marshallOptions: { removeUndefinedValues: true } });
    const table = { client, name: operator["TABLE_NAME"] ?? "" };
    const found = await readSessionForDoctor({ table, objects: s3Objects(s3, operator["BUCKET_NAME"] ?? "") }, key);
    if (found === null) return { violations: [`${key.session_id} never rests`], ledger: [], taskIds: [] };
    const brokenOff = new Set(
      found.log.flatMap((row) => (row.kind === "message" && row.interrupted ? [`${row.turn_id} ${row.step}`] : [])),
    );
    return {
      violations: examine(found, { now: Date.now() }).map(lineOf),
      ledger: found.ledger.map((row) => ({ ...row, is_broken_off: brokenOff.has(`${row.turn_id} ${row.step}`) })),
      // Of an ARN the last part is the task's id.
      taskIds: found.containers.flatMap(({ task_id }) => task_id?.split("/").at(-1) ?? []),
    };
  } finally {
    dynamo.destroy();
    s3.destroy();
  }
}
