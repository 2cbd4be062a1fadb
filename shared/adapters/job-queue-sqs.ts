import type { JobQueue } from "../ports/job-queue.ts";
import type { AwsClient } from "./aws/aws-client.ts";
import { sendMessage } from "./aws/send-message.ts";

/** A fair queue: the tenant is the message group, so that who deletes much delays only himself. */
export function sqsJobQueue(client: AwsClient, queueUrl: string): JobQueue {
  return {
    async send(job) {
      const message = { QueueUrl: queueUrl, MessageBody: JSON.stringify(job), MessageGroupId: job.tenant_id };
      await sendMessage(client, message);
    },
  };
}
