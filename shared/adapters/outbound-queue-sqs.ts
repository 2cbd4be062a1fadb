import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import type { OutboundQueue } from "../ports/outbound-queue.ts";

/** SQS delays a message by 15 minutes at most. */
const maxDelaySeconds = 900;

/** A fair queue in which each webhook is a group of its own, so that a slow endpoint delays only itself. */
export function sqsOutboundQueue(client: SQSClient, queueUrl: string): OutboundQueue {
  return {
    async send(message, delaySeconds = 0) {
      await client.send(
        new SendMessageCommand({
          QueueUrl: queueUrl,
          MessageBody: JSON.stringify(message),
          MessageGroupId: message.kind === "deliver" ? message.webhook_id : message.tenant_id,
          ...(delaySeconds > 0 ? { DelaySeconds: Math.min(Math.ceil(delaySeconds), maxDelaySeconds) } : {}),
        }),
      );
    },
  };
}
