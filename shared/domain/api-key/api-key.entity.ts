import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A key with which a server speaks for the user who made it. Only the hash of its secret is kept. */
export const apiKeyEntity = createSchema({
  model: { entity: "apikey", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    key_id: { type: "string", required: true, readOnly: true },
    name: { type: "string", required: true, readOnly: true },
    /** SHA-256 of the secret. */
    secret_hash: { type: "string", required: true, readOnly: true },
    scopes: { type: "list", items: { type: "string" }, required: true, readOnly: true },
    created_by: { type: "string", required: true, readOnly: true },
    created_at: { type: "number", required: true, readOnly: true },
    /** At most a minute old while it is in use. */
    last_used_at: { type: "number" },
    /** From then on it opens nothing. Not the TTL: a key that has ended is still listed. */
    ends_at: { type: "number", readOnly: true },
    revoked_at: { type: "number" },
    /** Seconds; only on revoked keys. */
    expires_at: { type: "number" },
  },
  indexes: {
    /** A tenant's keys, oldest first; tens. */
    byTenant: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["key_id"] },
    },
  },
});
