import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/**
 * What a tenant, and each of its users, has spent in a month: for budgets, which are read before each model call. Sharded,
 * since transactions of a tenant's sessions that meet in one row cancel each other.
 */
export const usageCounterEntity = createSchema({
  model: { entity: "usageCounter", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    /** `YYYY-MM` in UTC. */
    month: { type: "string", required: true, readOnly: true },
    /** A user's id, or `tenant` for all of them together. */
    spender: { type: "string", required: true, readOnly: true },
    shard: { type: "number", required: true, readOnly: true },
    model_calls: { type: "number" },
    /** Of all kinds together. */
    tokens: { type: "number" },
    /** Of the calls whose price is known. */
    cost_micro_usd: { type: "number" },
    unpriced_calls: { type: "number" },
  },
  indexes: {
    bySpender: {
      pk: { ...primary.pk, composite: ["tenant_id", "month", "spender"] },
      sk: { ...primary.sk, composite: ["shard"] },
    },
  },
});
