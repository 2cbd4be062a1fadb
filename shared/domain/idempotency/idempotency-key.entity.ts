import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** An HTTP request that came with an `Idempotency-Key`: created before it runs, answered when it ran. */
export const idempotencyKeyEntity = createSchema({
  model: { entity: "idempotencyKey", version: "1", service: serviceName },
  attributes: {
    /** `public` for what nobody signed. */
    tenant_id: { type: "string", required: true, readOnly: true },
    /** Who may repeat it, and where: `<user or API key>#<method> <path pattern>`. */
    scope: { type: "string", required: true, readOnly: true },
    /** SHA-256 of the key, since the key opens the answer. */
    key_hash: { type: "string", required: true, readOnly: true },
    /** MAC of the request, so that another one under the same key is noticed. */
    fingerprint: { type: "string", required: true },
    /** What the request is known by inside: stays the same however often it has to run. */
    operation_id: { type: "string", required: true },
    /** Rises with each run: one that was given up stores no answer. */
    attempt: { type: "number", required: true },
    /** Milliseconds; 0 when nobody runs it. */
    locked_until: { type: "number", required: true },
    /** Sealed. */
    answer: { type: "string" },
    /** Seconds. */
    expires_at: { type: "number", required: true },
  },
  indexes: {
    /** Did this request come before? */
    byKey: {
      pk: { ...primary.pk, composite: ["tenant_id", "scope"] },
      sk: { ...primary.sk, composite: ["key_hash"] },
    },
  },
});
