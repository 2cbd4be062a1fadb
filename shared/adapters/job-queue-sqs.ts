import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import type { JobQueue } from "../ports/job-queue.ts";

/** A fair queue: the tenant is the message group, so that who deletes much delays only himself. */
export function sqsJobQueue(client: SQSClient, queueUrl: string): JobQueue {
  return {
    async send(job) {
      const message = { QueueUrl: queueUrl, MessageBody: JSON.stringify(job), MessageGroupId: job.tenant_id };
      await client.send(new SendMessageCommand(message));
    },
  };
}
