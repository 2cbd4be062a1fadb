import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A public key that signs our tokens, or signed them: then it is kept until the last of them has ended. */
export const signingKeyEntity = createSchema({
  model: { entity: "signingkey", version: "1", service: serviceName },
  attributes: {
    /** RFC 7638 thumbprint. */
    kid: { type: "string", required: true, readOnly: true },
    use: { type: ["user", "sandbox"] as const, required: true, readOnly: true },
    /** The `x` of an Ed25519 JWK. */
    public_x: { type: "string", required: true, readOnly: true },
    created_at: { type: "number", required: true, readOnly: true },
    /** Seconds; absent while it signs. */
    expires_at: { type: "number" },
  },
  indexes: {
    /** All keys; two per use at most, but for some minutes. */
    byKid: {
      pk: { ...primary.pk, composite: [] },
      sk: { ...primary.sk, composite: ["kid"] },
    },
  },
});
