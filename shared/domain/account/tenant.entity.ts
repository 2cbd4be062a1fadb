import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";
import { planNames } from "../../ports/plans.ts";

const { primary } = keyFields;

export const tenantEntity = createSchema({
  model: { entity: "tenant", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    name: { type: "string", required: true },
    /** How many members are owners; never 0. */
    owners: { type: "number", required: true },
    /** Absent: the stage's default. */
    plan: { type: planNames },
    created_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    byId: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: [] },
    },
  },
});
