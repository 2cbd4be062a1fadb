import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary, gsi3 } = keyFields;

/** How far a user has read a session, and whether an answer waits for them. */
export const inboxMarkEntity = createSchema({
  model: { entity: "inboxMark", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    user_id: { type: "string", required: true, readOnly: true },
    read_seq: { type: "number" },
    /** Where the newest unread answer is on the timeline; absent while all is read. */
    unread_seq: { type: "number" },
    /** Keys of unreadOf: the tenant and the user, and the time with the session. */
    unread_of: { type: "string" },
    unread_at: { type: "string" },
  },
  indexes: {
    bySession: {
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: ["user_id"] },
    },
    /** Which sessions have an answer that a user has not read? Newest first; read ones are not in it. */
    unreadOf: {
      ...gsi3,
      pk: { ...gsi3.pk, composite: ["unread_of"] },
      sk: { ...gsi3.sk, composite: ["unread_at"] },
    },
  },
});
