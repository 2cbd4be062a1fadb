import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A public key that signs our tokens; kept for ever, so that the tokens of a rotated secret still verify. */
export const signingKeyEntity = createSchema({
  model: { entity: "signingkey", version: "1", service: serviceName },
  attributes: {
    /** RFC 7638 thumbprint. */
    kid: { type: "string", required: true, readOnly: true },
    use: { type: ["user", "sandbox"] as const, required: true, readOnly: true },
    /** The `x` of an Ed25519 JWK. */
    public_x: { type: "string", required: true, readOnly: true },
    created_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    /** All keys; one or two per rotation of a secret. */
    byKid: {
      pk: { ...primary.pk, composite: [] },
      sk: { ...primary.sk, composite: ["kid"] },
    },
  },
});
