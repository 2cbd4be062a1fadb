import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

export const tenantEntity = createSchema({
  model: { entity: "tenant", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    name: { type: "string", required: true },
    created_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    byId: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: [] },
    },
  },
});
