import { systemClock } from "../../shared/adapters/system-clock.ts";
import { httpWebhookSender } from "../../shared/adapters/webhook-sender-http.ts";
import { readEnvironment } from "../../shared/config/env.ts";

export function liveCourier() {
  const env = readEnvironment("courier", process.env);
  return { sender: httpWebhookSender({ allowPrivate: env.PRIVATE_WEBHOOKS, clock: systemClock }) };
}
