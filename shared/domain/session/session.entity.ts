import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary, gsi1, gsi2, gsi3, gsi4 } = keyFields;

/** The session resource. JSON columns are text: DynamoDB maps lose the order of keys. */
export const sessionEntity = createSchema({
  model: { entity: "session", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    title: { type: "string", required: true },
    repo: { type: "string" },
    repo_url: { type: "string", readOnly: true },
    target_branch: { type: "string" },
    branch: { type: "string" },
    /** JSON; absent where it is a `sessionDocument`: each activity writes this row into every index. */
    messages: { type: "string" },
    sbx_config: { type: "string" },
    /** Bytes that the document adds to an answer. */
    messages_bytes: { type: "number" },
    sbx_config_bytes: { type: "number" },
    inbox_status: { type: ["pending", "active", "completed", "archived"] as const, required: true },
    parent: { type: "string" },
    /** Counts in the tenant's quota of stored sessions. */
    counted: { type: "boolean" },
    created_by: { type: "string", required: true, readOnly: true },
    created_at: { type: "number", required: true, readOnly: true },
    updated_at: { type: "number", required: true },
    last_activity_at: { type: "number", required: true, padding: { length: 14, char: "0" } },
    /** Keys of byParent and byRepo, which hold only sessions that have one: `session-keys.decisions.ts`. */
    child_of: { type: "string" },
    child_at: { type: "string" },
    in_repo: { type: "string" },
    in_repo_at: { type: "string" },
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
    /** The same among the children of one session. */
    byParent: {
      ...gsi3,
      pk: { ...gsi3.pk, composite: ["child_of"] },
      sk: { ...gsi3.sk, composite: ["child_at"] },
    },
    /** The same within one repository. */
    byRepo: {
      ...gsi4,
      pk: { ...gsi4.pk, composite: ["in_repo"] },
      sk: { ...gsi4.sk, composite: ["in_repo_at"] },
    },
  },
});
