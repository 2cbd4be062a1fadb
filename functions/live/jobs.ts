import { ECSClient } from "@aws-sdk/client-ecs";
import { S3Client } from "@aws-sdk/client-s3";
import { s3ObjectRemoval } from "../../shared/adapters/object-removal-s3.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { ecsTaskStopper } from "../../shared/adapters/sandbox-ecs.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import type { RemovalDeps } from "../../shared/domain/session/removal.ts";
import { liveLog, liveOutboundQueue, liveSockets, liveTable } from "./parts.ts";

const refused = () => Promise.reject(new Error("jobs neither read nor write objects"));
/** What a job appends to a log is too small to need one. */
const noObjects = { get: refused, put: refused };

/** Composition root of the jobs function. */
export function liveJobs(): RemovalDeps {
  const env = readEnvironment("jobs", process.env);
  const log = liveLog("jobs");
  return {
    table: liveTable(env.TABLE_NAME),
    objects: noObjects,
    objectRemoval: s3ObjectRemoval(new S3Client({}), env.BUCKET_NAME),
    sockets: liveSockets(env.CONNECTIONS_URL, log),
    outbound: liveOutboundQueue(env.OUTBOUND_QUEUE_URL),
    provider: ecsTaskStopper({ client: new ECSClient({}), cluster: env.CLUSTER }),
    clock: systemClock,
    ids: randomIds,
    log,
  };
}
