import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A value of the tenant's that its sandboxes may be given by name. */
export const secretEntity = createSchema({
  model: { entity: "secret", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    name: { type: "string", required: true, readOnly: true },
    /** Bound to this row. */
    sealed: { type: "string", required: true },
    created_by: { type: "string", required: true, readOnly: true },
    created_at: { type: "number", required: true, readOnly: true },
    updated_at: { type: "number", required: true },
  },
  indexes: {
    ofTenant: {
      // Names differ by case too.
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, casing: "none", composite: ["name"] },
    },
  },
});
