import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A request that was carried out, and its answer: created in the transaction that carried it out. */
export const idempotencyEntity = createSchema({
  model: { entity: "idempotency", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    /** Who may repeat it, and within what: `<user>#<session>`. */
    scope: { type: "string", required: true, readOnly: true },
    request_id: { type: "string", required: true, readOnly: true },
    /** SHA-256 of the request, so that another one under the same id is noticed. */
    fingerprint: { type: "string", required: true, readOnly: true },
    /** JSON. */
    result: { type: "string", required: true, readOnly: true },
    /** Seconds. */
    expires_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    byRequest: {
      pk: { ...primary.pk, composite: ["tenant_id", "scope"] },
      sk: { ...primary.sk, composite: ["request_id"] },
    },
  },
});
