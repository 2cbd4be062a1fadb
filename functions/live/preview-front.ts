import { LambdaClient } from "@aws-sdk/client-lambda";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { hmacPreviewCapabilities } from "../../shared/adapters/preview-capabilities.ts";
import { lambdaPreviewRelay } from "../../shared/adapters/preview-relay-lambda.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { secretReader } from "../../shared/adapters/secrets.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import type { FrontDeps } from "../kit/preview.ts";
import { liveLog, liveQueue, liveTable } from "./parts.ts";

const noObjects = () => Promise.reject(new Error("previews have no objects"));

export function livePreviewFront(): FrontDeps {
  const env = readEnvironment("previewFront", process.env);
  const secrets = secretReader(new SecretsManagerClient({}), systemClock);
  return {
    table: liveTable(env),
    // A wish has no body that would have to go there.
    objects: { get: noObjects, put: noObjects },
    queue: liveQueue(env.WORK_QUEUE_URL),
    ids: randomIds,
    clock: systemClock,
    capabilities: hmacPreviewCapabilities(secrets.rotated(env.PREVIEW_SECRET_ID)),
    previewOrigin: env.PREVIEW_ORIGIN,
    relay: lambdaPreviewRelay(new LambdaClient({}), env.PREVIEW_RELAY_FUNCTION),
    log: liveLog("preview-front"),
  };
}
