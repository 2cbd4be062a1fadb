import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** How a person signs in. Global: an email is known before its tenant is, and belongs to one account. */
export const loginEntity = createSchema({
  model: { entity: "login", version: "1", service: serviceName },
  attributes: {
    /** Lower case. */
    email: { type: "string", required: true, readOnly: true },
    tenant_id: { type: "string", required: true, readOnly: true },
    user_id: { type: "string", required: true, readOnly: true },
    /** `password.ts` has the format. */
    password_hash: { type: "string", required: true },
    created_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    byEmail: {
      pk: { ...primary.pk, composite: ["email"] },
      sk: { ...primary.sk, composite: [] },
    },
  },
});
