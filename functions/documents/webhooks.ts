import * as z from "zod";
import { TenantId, WebhookId } from "../../shared/protocol/ids.ts";
import { outwardEventData, OutwardEvent, WebhookPayload, webhookTestType } from "../../shared/protocol/webhook.ts";
import type { Json, SchemaBook } from "./schemas.ts";

const signature = (name: string, description: string) => ({
  name,
  in: "header",
  required: true,
  description,
  schema: { type: "string" },
});

const headers = [
  signature("webhook-id", "The event's id, the same on every attempt"),
  signature("webhook-timestamp", "When it was sent, in seconds since 1970"),
  signature("webhook-signature", "Standard Webhooks 1.0.0: `v1,<base64 of HMAC-SHA-256>`, one for each valid secret"),
];

/** What the platform sends to the addresses of `POST /webhooks`. */
export function webhookItems(book: SchemaBook): Record<string, Json> {
  const { event_id, ...ids } = OutwardEvent.shape.data.shape;
  const test = z.object({ event_id, tenant_id: TenantId, webhook_id: WebhookId });
  const events = Object.entries(outwardEventData).map(([type, data]) => {
    return [type, z.object({ event_id, ...ids, ...data.shape })] as const;
  });
  const items = [...events, [webhookTestType, test] as const].map(([type, data]): [string, Json] => {
    const payload = WebhookPayload.extend({ type: z.literal(type), data });
    const post = {
      operationId: `webhook.${type}`,
      summary: `Tells of ${type}`,
      tags: ["Webhooks"],
      parameters: headers,
      requestBody: { required: true, content: { "application/json": { schema: book.convert(payload, "output") } } },
      responses: { "2XX": { description: "Taken; every other answer is tried again for a day" } },
    };
    return [type, { post }];
  });
  return Object.fromEntries(items);
}
