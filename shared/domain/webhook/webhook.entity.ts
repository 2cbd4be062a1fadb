import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** Where a tenant wants to be told. */
export const webhookEntity = createSchema({
  model: { entity: "webhook", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    webhook_id: { type: "string", required: true, readOnly: true },
    url: { type: "string", required: true },
    events: { type: "list", required: true, items: { type: "string" } },
    description: { type: "string", required: true },
    enabled: { type: "boolean", required: true },
    disabled_reason: { type: ["gone", "failing"] as const },
    /** Sealed, and bound to this row. */
    secret: { type: "string", required: true },
    /** Sealed secrets that sign too until their time (ms), newest first. */
    previous_secrets: {
      type: "list",
      required: true,
      items: {
        type: "map",
        properties: {
          secret: { type: "string", required: true },
          until: { type: "number", required: true },
        },
      },
    },
    /** Milliseconds; absent while the last attempt succeeded. */
    failing_since: { type: "number" },
    /** Milliseconds: until then only whoever moves this forward may try, and all others fail at once. */
    slow_until: { type: "number" },
    created_by: { type: "string", required: true, readOnly: true },
    created_at: { type: "number", required: true, readOnly: true },
    updated_at: { type: "number", required: true },
  },
  indexes: {
    ofTenant: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["webhook_id"] },
    },
  },
});
