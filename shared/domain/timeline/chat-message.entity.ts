import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** One message of the conversation. Immutable. */
export const chatMessageEntity = createSchema({
  model: { entity: "chatMessage", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    seq: { type: "number", required: true, readOnly: true, padding: { length: 12, char: "0" } },
    at: { type: "number", required: true, readOnly: true },
    turn_id: { type: "string", required: true, readOnly: true },
    message_id: { type: "string", required: true, readOnly: true },
    role: { type: ["user", "assistant", "system"] as const, required: true, readOnly: true },
    user_id: { type: "string", readOnly: true },
    /** JSON of the content blocks; absent when they are in object storage. */
    body: { type: "string", readOnly: true },
    body_key: { type: "string", readOnly: true },
    /** Assistant only: the step, and the head of the timeline that the model saw. */
    step: { type: "number", readOnly: true },
    seen_head: { type: "number", readOnly: true },
    /** Assistant only: a fingerprint of the system prompt and tools that its thinking is bound to. */
    bound_to: { type: "string", readOnly: true },
    /** System only: a compaction's summary stands for the log up to this answer. */
    covers_seq: { type: "number", readOnly: true },
    /** Assistant only: the user stopped the model in the middle of it. */
    interrupted: { type: "boolean", readOnly: true },
    /** Assistant only: JSON of `Usage`. */
    usage: { type: "string", readOnly: true },
  },
  indexes: {
    timeline: {
      collection: "timeline",
      type: "clustered",
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: ["seq"] },
    },
  },
});
