import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** Sums of the ledger, kept in the same transactions. The month's are sharded: one row takes 1,000 writes a second. */
export const usageCounterEntity = createSchema({
  model: { entity: "usageCounter", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    /** `session#<id>` or `month#<YYYY-MM>`. */
    scope: { type: "string", required: true, readOnly: true },
    shard: { type: "number", required: true, readOnly: true },
    model: { type: "string", required: true, readOnly: true },
    model_calls: { type: "number" },
    input_tokens: { type: "number" },
    output_tokens: { type: "number" },
    cache_read_tokens: { type: "number" },
    cache_write_tokens: { type: "number" },
    cost_micro_usd: { type: "number" },
    /** Calls whose price was unknown: then the sum of the cost is not the whole. */
    unpriced_calls: { type: "number" },
  },
  indexes: {
    byScope: {
      pk: { ...primary.pk, composite: ["tenant_id", "scope"] },
      sk: { ...primary.sk, composite: ["shard", "model"] },
    },
  },
});
