import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** An ID token that signed somebody in: it does so once. */
export const spentIdTokenEntity = createSchema({
  model: { entity: "spentidtoken", version: "1", service: serviceName },
  attributes: {
    /** SHA-256 of what the provider signed. */
    token_hash: { type: "string", required: true, readOnly: true },
    /** Seconds; the token is too old by then. */
    expires_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    byToken: {
      pk: { ...primary.pk, composite: ["token_hash"] },
      sk: { ...primary.sk, composite: [] },
    },
  },
});
