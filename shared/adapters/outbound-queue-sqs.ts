import type { OutboundQueue } from "../ports/outbound-queue.ts";
import type { AwsClient } from "./aws/aws-client.ts";
import { sendMessage } from "./aws/send-message.ts";

/** SQS delays a message by 15 minutes at most. */
const maxDelaySeconds = 900;

/** A fair queue in which each webhook is a group of its own, so that a slow endpoint delays only itself. */
export function sqsOutboundQueue(client: AwsClient, queueUrl: string): OutboundQueue {
  return {
    async send(message, delaySeconds = 0) {
      await sendMessage(client, {
        QueueUrl: queueUrl,
        MessageBody: JSON.stringify(message),
        MessageGroupId: message.kind === "deliver" ? message.webhook_id : message.tenant_id,
        ...(delaySeconds > 0 ? { DelaySeconds: Math.min(Math.ceil(delaySeconds), maxDelaySeconds) } : {}),
      });
    },
  };
}
