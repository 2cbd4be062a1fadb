import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** The ledger of sandboxes: one immutable row per container that was ready, written when it ends. */
export const sandboxUsageEntity = createSchema({
  model: { entity: "sandboxUsage", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    epoch: { type: "number", required: true, readOnly: true, padding: { length: 8, char: "0" } },
    /** Whose turn started it. */
    user_id: { type: "string", required: true, readOnly: true },
    /** When it was ready, and when it ended or was last heard of. */
    from: { type: "number", required: true, readOnly: true },
    until: { type: "number", required: true, readOnly: true },
    /** Begun seconds. */
    seconds: { type: "number", required: true, readOnly: true },
    /** When it was written down. */
    at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    bySession: {
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: ["epoch"] },
    },
  },
});
