import { ECSClient } from "@aws-sdk/client-ecs";
import { S3Client } from "@aws-sdk/client-s3";
import { s3ObjectRemoval } from "../../shared/adapters/object-removal-s3.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { ecsTaskStopper } from "../../shared/adapters/sandbox-ecs.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import type { CopyDeps } from "../../shared/domain/fork/copy.ts";
import type { RemovalDeps } from "../../shared/domain/session/removal.ts";
import { liveLog, liveObjects, liveOutboundQueue, liveSockets, liveTable } from "./parts.ts";

export type JobDeps = RemovalDeps & CopyDeps;

/** Composition root of the jobs function. */
export function liveJobs(): JobDeps {
  const env = readEnvironment("jobs", process.env);
  const log = liveLog("jobs");
  return {
    table: liveTable(env),
    objects: liveObjects(env.BUCKET_NAME),
    objectRemoval: s3ObjectRemoval(new S3Client({}), env.BUCKET_NAME),
    sockets: liveSockets(env.CONNECTIONS_URL, log),
    outbound: liveOutboundQueue(env.OUTBOUND_QUEUE_URL),
    provider: ecsTaskStopper({ client: new ECSClient({}), cluster: env.CLUSTER }),
    clock: systemClock,
    ids: randomIds,
    log,
  };
}
