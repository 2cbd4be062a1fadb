import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** Who watches a session. */
export const subscriptionEntity = createSchema({
  model: { entity: "subscription", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    connection_id: { type: "string", required: true, readOnly: true },
    /** Seconds. */
    expires_at: { type: "number", required: true },
    /** Takes several events in one message. */
    batched: { type: "boolean" },
  },
  indexes: {
    bySession: {
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: ["connection_id"] },
    },
  },
});
