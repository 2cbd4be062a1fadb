import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

export const userEntity = createSchema({
  model: { entity: "user", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    user_id: { type: "string", required: true, readOnly: true },
    email: { type: "string", required: true },
    role: { type: ["owner", "admin", "member", "viewer"] as const, required: true },
    created_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    /** A tenant's members; tens. */
    byTenant: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["user_id"] },
    },
  },
});
