import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A JSON column that is too large for the session's row. */
export const sessionDocumentEntity = createSchema({
  model: { entity: "sessionDocument", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    name: { type: ["messages", "sbx_config"] as const, required: true, readOnly: true },
    /** JSON, as it was sent. */
    text: { type: "string", required: true },
  },
  indexes: {
    bySession: {
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: ["name"] },
    },
  },
});
