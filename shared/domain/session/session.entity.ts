import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary, gsi1, gsi2 } = keyFields;

/** The session resource. JSON columns are text: DynamoDB maps lose the order of keys. */
export const sessionEntity = createSchema({
  model: { entity: "session", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    title: { type: "string", required: true },
    repo: { type: "string" },
    repo_url: { type: "string" },
    target_branch: { type: "string" },
    branch: { type: "string" },
    messages: { type: "string", required: true },
    inbox_status: { type: ["pending", "active", "completed", "archived"] as const, required: true },
    sbx_config: { type: "string", required: true },
    parent: { type: "string" },
    created_by: { type: "string", required: true, readOnly: true },
    created_at: { type: "number", required: true, readOnly: true },
    updated_at: { type: "number", required: true },
    last_activity_at: { type: "number", required: true, padding: { length: 14, char: "0" } },
  },
  indexes: {
    /** One session of a tenant. */
    byId: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["session_id"] },
    },
    /** A tenant's sessions, latest activity first; up to 10,000 and more. */
    byActivity: {
      ...gsi1,
      pk: { ...gsi1.pk, composite: ["tenant_id"] },
      sk: { ...gsi1.sk, composite: ["last_activity_at", "session_id"] },
    },
    /** The same within one inbox status. */
    byInbox: {
      ...gsi2,
      pk: { ...gsi2.pk, composite: ["tenant_id", "inbox_status"] },
      sk: { ...gsi2.sk, composite: ["last_activity_at", "session_id"] },
    },
  },
});
