import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary, gsi1 } = keyFields;

/** Sums of the ledger, one row per day, user, session and model: kept in the ledger's own transactions. */
export const usageDayEntity = createSchema({
  model: { entity: "usageDay", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    /** `YYYY-MM-DD` in UTC: of the call, or of the end of the sandbox. */
    day: { type: "string", required: true, readOnly: true },
    /** `YYYY-MM`. */
    month: { type: "string", required: true, readOnly: true },
    user_id: { type: "string", required: true, readOnly: true },
    /** `noModel` for what none did. */
    model: { type: "string", required: true, readOnly: true },
    model_calls: { type: "number" },
    input_tokens: { type: "number" },
    output_tokens: { type: "number" },
    cache_read_tokens: { type: "number" },
    cache_write_tokens: { type: "number" },
    sandbox_seconds: { type: "number" },
    /** Of the calls whose price is known. */
    cost_micro_usd: { type: "number" },
    unpriced_calls: { type: "number" },
  },
  indexes: {
    /** What has this session used? */
    bySession: {
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: ["day", "user_id", "model"] },
    },
    /** What has the tenant used, day by day? */
    byMonth: {
      ...gsi1,
      pk: { ...gsi1.pk, composite: ["tenant_id", "month"] },
      sk: { ...gsi1.sk, composite: ["day", "user_id", "session_id", "model"] },
    },
  },
});
