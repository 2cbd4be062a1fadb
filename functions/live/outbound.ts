import { LambdaClient } from "@aws-sdk/client-lambda";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { eventBridgeBus } from "../../shared/adapters/event-bus-eventbridge.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { gcmSecretBox } from "../../shared/adapters/secret-box-gcm.ts";
import { secretReader } from "../../shared/adapters/secrets.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { lambdaWebhookSender } from "../../shared/adapters/webhook-sender-lambda.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import type { PublishDeps } from "../../shared/domain/outbox/publish.ts";
import type { DeliverDeps } from "../../shared/domain/webhook/deliver.ts";
import { defaultProvider } from "./env-credentials.ts";
import { liveLog, liveOutboundQueue, liveTable } from "./parts.ts";

export function liveOutbound(): PublishDeps & DeliverDeps {
  const env = readEnvironment("outbound", process.env);
  const clock = systemClock;
  const ids = randomIds;
  const secrets = secretReader(new SecretsManagerClient({}), clock);
  return {
    table: liveTable(env),
    clock,
    ids,
    log: liveLog("outbound"),
    outbound: liveOutboundQueue(env.OUTBOUND_QUEUE_URL),
    bus: eventBridgeBus({
      endpoint: env.EVENTS_URL,
      busArn: env.EVENT_BUS_ARN,
      credentials: defaultProvider(),
      clock,
      ids,
    }),
    secretBox: gcmSecretBox(secrets.rotated(env.WEBHOOK_SECRET_ID)),
    sender: lambdaWebhookSender(new LambdaClient({}), env.COURIER_FUNCTION),
  };
}
