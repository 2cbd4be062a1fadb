import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** Whom an identity provider calls by this name (ADR 0015). Global like a login. */
export const identityEntity = createSchema({
  model: { entity: "identity", version: "1", service: serviceName },
  attributes: {
    /** SHA-256 of issuer and subject. */
    subject_hash: { type: "string", required: true, readOnly: true },
    /** The account's, which the provider's may come to differ from. */
    email: { type: "string", required: true, readOnly: true },
    user_id: { type: "string", required: true, readOnly: true },
    /** SHA-256 of the password hash that vouched for the link, which ends with it; absent where the provider made the account. */
    password_digest: { type: "string" },
    created_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    bySubject: {
      pk: { ...primary.pk, composite: ["subject_hash"] },
      sk: { ...primary.sk, composite: [] },
    },
  },
});
