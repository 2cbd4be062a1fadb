import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary, gsi2 } = keyFields;

/** One event for one webhook, with what became of it. Gone after 30 days. */
export const webhookDeliveryEntity = createSchema({
  model: { entity: "webhookDelivery", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    webhook_id: { type: "string", required: true, readOnly: true },
    /** Derived from webhook and event, so that there can be one only; sorts by the event's time. */
    delivery_id: { type: "string", required: true, readOnly: true },
    type: { type: "string", required: true, readOnly: true },
    event_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", readOnly: true },
    /** The body as it is sent: every attempt sends the same bytes. */
    payload: { type: "string", required: true, readOnly: true },
    status: { type: ["pending", "delivered", "failed"] as const, required: true },
    /** Attempts in all, and since the schedule last began. */
    attempts: { type: "number", required: true },
    round: { type: "number", required: true },
    tries: {
      type: "list",
      required: true,
      items: {
        type: "map",
        properties: {
          at: { type: "number", required: true },
          status: { type: "number" },
          failure: { type: "string" },
          latency_ms: { type: "number", required: true },
        },
      },
    },
    created_at: { type: "number", required: true, readOnly: true },
    due_shard: { type: "string" },
    /** Milliseconds: when it is next tried, or when the attempt that runs is given up. Absent at its end. */
    due_at: { type: "number", padding: { length: 14, char: "0" } },
    /** Seconds. */
    expires_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    /** What became of a webhook's events? */
    ofWebhook: {
      pk: { ...primary.pk, composite: ["tenant_id", "webhook_id"] },
      sk: { ...primary.sk, composite: ["delivery_id"] },
    },
    /** Which deliveries should have been tried by now? */
    dueForDelivery: {
      ...gsi2,
      pk: { ...gsi2.pk, composite: ["due_shard"] },
      sk: { ...gsi2.sk, composite: ["due_at"] },
    },
  },
});
