import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** How many sessions of a tenant are in each inbox status, changed with them. Sharded by session: one row would be hot. */
export const inboxCounterEntity = createSchema({
  model: { entity: "inboxCounter", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    shard: { type: "number", required: true, readOnly: true },
    pending: { type: "number" },
    active: { type: "number" },
    completed: { type: "number" },
    archived: { type: "number" },
  },
  indexes: {
    byShard: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["shard"] },
    },
  },
});
