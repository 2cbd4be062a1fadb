import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import type { WorkQueue } from "../ports/work-queue.ts";

/** SQS delays a message by 15 minutes at most. */
const maxDelaySeconds = 900;

/** A fair queue: the tenant is the message group, so that a noisy one delays only itself. */
export function sqsWorkQueue(client: SQSClient, queueUrl: string): WorkQueue {
  return {
    async send(wakeUp, delaySeconds = 0) {
      await client.send(
        new SendMessageCommand({
          QueueUrl: queueUrl,
          MessageBody: JSON.stringify(wakeUp),
          MessageGroupId: wakeUp.tenant_id,
          ...(delaySeconds > 0 ? { DelaySeconds: Math.min(Math.ceil(delaySeconds), maxDelaySeconds) } : {}),
        }),
      );
    },
  };
}
