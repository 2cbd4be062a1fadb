import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/**
 * One family of refresh tokens: the row names only the newest one. Global like a login: it is looked up by what a
 * client presents, before the tenant is known.
 */
export const refreshTokenEntity = createSchema({
  model: { entity: "refreshtoken", version: "1", service: serviceName },
  attributes: {
    /** SHA-256 of the token's first part, which all of the family share. */
    locator_hash: { type: "string", required: true, readOnly: true },
    /** SHA-256 of the second part of the newest token. */
    secret_hash: { type: "string", required: true },
    family_id: { type: "string", required: true, readOnly: true },
    tenant_id: { type: "string", required: true, readOnly: true },
    user_id: { type: "string", required: true, readOnly: true },
    /** Of the membership when the family began: another one there, and the family is dead. */
    generation: { type: "number", required: true, readOnly: true },
    created_at: { type: "number", required: true, readOnly: true },
    rotated_at: { type: "number", required: true },
    revoked_at: { type: "number" },
    /** Seconds. */
    expires_at: { type: "number", required: true },
  },
  indexes: {
    byLocator: {
      pk: { ...primary.pk, composite: ["locator_hash"] },
      sk: { ...primary.sk, composite: [] },
    },
  },
});
