import { ApiGatewayManagementApiClient } from "@aws-sdk/client-apigatewaymanagementapi";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { sqsJobQueue } from "../../shared/adapters/job-queue-sqs.ts";
import { s3Objects } from "../../shared/adapters/objects-s3.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { SigningHash } from "../../shared/adapters/signing-hash.ts";
import { apiGatewaySockets } from "../../shared/adapters/sockets-api-gateway.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { sqsOutboundQueue } from "../../shared/adapters/outbound-queue-sqs.ts";
import { sqsWorkQueue } from "../../shared/adapters/work-queue-sqs.ts";
import type { Table } from "../../shared/data/service.ts";
import { jsonLog } from "../../shared/log.ts";
import type { JobQueue } from "../../shared/ports/job-queue.ts";
import type { Log } from "../../shared/ports/log.ts";
import type { Objects } from "../../shared/ports/objects.ts";
import type { OutboundQueue } from "../../shared/ports/outbound-queue.ts";
import type { Sockets } from "../../shared/ports/sockets.ts";
import type { WorkQueue } from "../../shared/ports/work-queue.ts";

/** Of every client that a step uses. */
const settings = { sha256: SigningHash };

/** The parts that several processes are put together from: one function each, so that a bundle holds only its own. */
export function liveTable(name: string, dynamo = new DynamoDBClient(settings)): Table {
  const marshallOptions = { removeUndefinedValues: true };
  return { client: DynamoDBDocumentClient.from(dynamo, { marshallOptions }), name };
}

export function liveLog(process: string): Log {
  return jsonLog({ process, clock: systemClock, write: (line) => globalThis.process.stdout.write(line) });
}

export function liveQueue(url: string): WorkQueue {
  return sqsWorkQueue(new SQSClient(settings), url);
}

export function liveOutboundQueue(url: string): OutboundQueue {
  return sqsOutboundQueue(new SQSClient(settings), url);
}

export function liveJobQueue(url: string): JobQueue {
  return sqsJobQueue(new SQSClient(settings), url);
}

export function liveSockets(endpoint: string, log: Log): Sockets {
  return apiGatewaySockets(new ApiGatewayManagementApiClient({ ...settings, endpoint }), log);
}

export function liveObjects(bucket: string): Objects {
  return s3Objects(new S3Client({}), bucket);
}

/** What every process needs that moves sessions along. */
export function liveSessions(
  process: string,
  env: {
    TABLE_NAME: string;
    BUCKET_NAME: string;
    CONNECTIONS_URL: string;
    WORK_QUEUE_URL: string;
    OUTBOUND_QUEUE_URL: string;
  },
  dynamo?: DynamoDBClient,
) {
  const log = liveLog(process);
  return {
    table: liveTable(env.TABLE_NAME, dynamo),
    objects: liveObjects(env.BUCKET_NAME),
    sockets: liveSockets(env.CONNECTIONS_URL, log),
    queue: liveQueue(env.WORK_QUEUE_URL),
    outbound: liveOutboundQueue(env.OUTBOUND_QUEUE_URL),
    clock: systemClock,
    ids: randomIds,
    log,
  };
}
