import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A membership: what one user is in one tenant. Each request of the user reads it (ADR 0014). */
export const userEntity = createSchema({
  model: { entity: "user", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    user_id: { type: "string", required: true, readOnly: true },
    email: { type: "string", required: true, readOnly: true },
    role: { type: ["owner", "admin", "member", "viewer"] as const, required: true },
    /** Tokens, tickets and connections that name another one are dead. Never used twice for the same user. */
    generation: { type: "number", required: true },
    created_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    /** A tenant's members, in the order of their accounts; tens. */
    byTenant: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["user_id"] },
    },
  },
});
