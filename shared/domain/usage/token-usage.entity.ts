import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** The ledger: one immutable row per committed model call, written in the commit's own transaction. */
export const tokenUsageEntity = createSchema({
  model: { entity: "tokenUsage", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    turn_id: { type: "string", required: true, readOnly: true },
    step: { type: "number", required: true, readOnly: true, padding: { length: 6, char: "0" } },
    user_id: { type: "string", required: true, readOnly: true },
    at: { type: "number", required: true, readOnly: true },
    model: { type: "string", required: true, readOnly: true },
    input_tokens: { type: "number", required: true, readOnly: true },
    output_tokens: { type: "number", required: true, readOnly: true },
    cache_read_tokens: { type: "number", required: true, readOnly: true },
    cache_write_tokens: { type: "number", required: true, readOnly: true },
    /** Absent where the price is unknown. */
    cost_micro_usd: { type: "number", readOnly: true },
    model_request_id: { type: "string", readOnly: true },
  },
  indexes: {
    bySession: {
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: ["turn_id", "step"] },
    },
  },
});
