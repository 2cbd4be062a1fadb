import type { WorkQueue } from "../ports/work-queue.ts";
import type { AwsClient } from "./aws/aws-client.ts";
import { sendMessage } from "./aws/send-message.ts";

/** SQS delays a message by 15 minutes at most. */
const maxDelaySeconds = 900;

/** A fair queue: the tenant is the message group, so that a noisy one delays only itself. */
export function sqsWorkQueue(client: AwsClient, queueUrl: string): WorkQueue {
  return {
    async send(wakeUp, delaySeconds = 0) {
      await sendMessage(client, {
        QueueUrl: queueUrl,
        MessageBody: JSON.stringify(wakeUp),
        MessageGroupId: wakeUp.tenant_id,
        ...(delaySeconds > 0 ? { DelaySeconds: Math.min(Math.ceil(delaySeconds), maxDelaySeconds) } : {}),
      });
    },
  };
}
