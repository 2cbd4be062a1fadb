import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/**
 * An account: how a person signs in, and where that leads. Global: an email is known before any tenant is. Whatever
 * gives or takes tokens of the account asks for its `generation` in the same transaction, so that the two have an order.
 */
export const loginEntity = createSchema({
  model: { entity: "login", version: "1", service: serviceName },
  attributes: {
    /** Lower case. */
    email: { type: "string", required: true, readOnly: true },
    user_id: { type: "string", required: true, readOnly: true },
    /** `password.ts` has the format; absent where only an identity provider signs the person in. */
    password_hash: { type: "string" },
    /** The highest that any membership of the account ever had; it only rises. */
    generation: { type: "number", required: true },
    /**
     * Where the user is a member. Here, and not in an index, since an index is behind by moments: a password change must
     * reach the membership that was made just before.
     */
    tenant_ids: { type: "set", items: "string" },
    /** Where signing in leads. */
    last_tenant_id: { type: "string" },
    created_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    byEmail: {
      pk: { ...primary.pk, composite: ["email"] },
      sk: { ...primary.sk, composite: [] },
    },
  },
});
