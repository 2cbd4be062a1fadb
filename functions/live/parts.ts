import { S3Client } from "@aws-sdk/client-s3";
import { AwsClient } from "../../shared/adapters/aws/aws-client.ts";
import { readTogether } from "../../shared/adapters/aws/read-together.ts";
import { tableClient } from "../../shared/adapters/aws/table-client.ts";
import { sqsJobQueue } from "../../shared/adapters/job-queue-sqs.ts";
import { s3Objects } from "../../shared/adapters/objects-s3.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
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
import { defaultProvider } from "./env-credentials.ts";

/** `url` is one of the service's: what follows the host is the caller's. */
function liveClient(service: "dynamodb" | "sqs" | "execute-api", url: string): AwsClient {
  return new AwsClient({
    endpoint: new URL(url).origin,
    service,
    region: process.env["AWS_REGION"] ?? "",
    credentials: defaultProvider(),
    clock: systemClock,
    ids: randomIds,
  });
}

/** The parts that several processes are put together from: one function each, so that a bundle holds only its own. */
export function liveTable(env: { TABLE_NAME: string; TABLE_URL: string }): Table {
  const client = tableClient(liveClient("dynamodb", env.TABLE_URL), randomIds);
  return { client: readTogether(client), name: env.TABLE_NAME };
}

export function liveLog(process: string): Log {
  return jsonLog({ process, clock: systemClock, write: (line) => globalThis.process.stdout.write(line) });
}

export function liveQueue(url: string): WorkQueue {
  return sqsWorkQueue(liveClient("sqs", url), url);
}

export function liveOutboundQueue(url: string): OutboundQueue {
  return sqsOutboundQueue(liveClient("sqs", url), url);
}

export function liveJobQueue(url: string): JobQueue {
  return sqsJobQueue(liveClient("sqs", url), url);
}

export function liveSockets(endpoint: string, log: Log): Sockets {
  return apiGatewaySockets(liveClient("execute-api", endpoint), new URL(endpoint).pathname.replace(/\/$/, ""), log);
}

export function liveObjects(bucket: string): Objects {
  return s3Objects(new S3Client({}), bucket);
}

/** What every process needs that moves sessions along. */
export function liveSessions(
  process: string,
  env: {
    TABLE_NAME: string;
    TABLE_URL: string;
    BUCKET_NAME: string;
    CONNECTIONS_URL: string;
    WORK_QUEUE_URL: string;
    OUTBOUND_QUEUE_URL: string;
  },
) {
  const log = liveLog(process);
  return {
    table: liveTable(env),
    objects: liveObjects(env.BUCKET_NAME),
    sockets: liveSockets(env.CONNECTIONS_URL, log),
    queue: liveQueue(env.WORK_QUEUE_URL),
    outbound: liveOutboundQueue(env.OUTBOUND_QUEUE_URL),
    clock: systemClock,
    ids: randomIds,
    log,
  };
}
