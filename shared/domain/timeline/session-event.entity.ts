import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** Anything durable that happened in a session and is neither a message nor a checkpoint. Immutable. */
export const sessionEventEntity = createSchema({
  model: { entity: "sessionEvent", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    seq: { type: "number", required: true, readOnly: true, padding: { length: 12, char: "0" } },
    at: { type: "number", required: true, readOnly: true },
    turn_id: { type: "string", readOnly: true },
    type: { type: "string", required: true, readOnly: true },
    /** JSON of the event's `data`. */
    data: { type: "string", required: true, readOnly: true },
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
