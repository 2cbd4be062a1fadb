import { type AwsClient, callJson } from "./aws-client.ts";

export interface QueueMessage {
  QueueUrl: string;
  MessageBody: string;
  MessageGroupId: string;
  DelaySeconds?: number;
}

export async function sendMessage(client: AwsClient, message: QueueMessage): Promise<void> {
  await callJson(client, "AmazonSQS.SendMessage", message);
}
