import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";
import type { WebhookSender } from "../ports/webhook-sender.ts";
import { CourierAnswer } from "../protocol/webhook.ts";

/** Has the courier call, which holds nothing that a stranger could take. A courier that broke on an answer is a failed call. */
export function lambdaWebhookSender(client: LambdaClient, functionName: string): WebhookSender {
  return {
    async send(request) {
      const invoked = await client.send(
        new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(request)) }),
      );
      if (invoked.FunctionError) return { kind: "failed", failure: "unreachable", latency_ms: 0 };
      return CourierAnswer.parse(JSON.parse(Buffer.from(invoked.Payload ?? []).toString("utf8")));
    },
  };
}
