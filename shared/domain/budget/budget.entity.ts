import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/**
 * A monthly budget of a tenant or of one of its users. Never deleted: what is held in it must find its way back. What was
 * spent is not here but in the usage counters, which every commit keeps.
 */
export const budgetEntity = createSchema({
  model: { entity: "budget", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    /** `tenant` or `user#<id>`. */
    scope: { type: "string", required: true, readOnly: true },
    /** Absent: no limit. */
    limit_cost_micro_usd: { type: "number" },
    limit_tokens: { type: "number" },
    /** For the steps that run now: the sum of `reserved` over the conversations that name this budget. */
    reserved_cost_micro_usd: { type: "number" },
    reserved_tokens: { type: "number" },
  },
  indexes: {
    /** A tenant's own budget and those of its users. */
    byScope: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["scope"] },
    },
  },
});
