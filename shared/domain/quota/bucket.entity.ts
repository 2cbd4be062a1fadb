import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A token bucket as one figure: when it would be full again (GCRA's theoretical arrival time). */
export const bucketEntity = createSchema({
  model: { entity: "bucket", version: "1", service: serviceName },
  attributes: {
    /** `<policy>#<whom it counts>`; begins with the tenant where it counts one. */
    scope: { type: "string", required: true, readOnly: true },
    /** Microseconds. */
    full_at: { type: "number", required: true },
    /** Seconds. */
    expires_at: { type: "number", required: true },
  },
  indexes: {
    byScope: {
      pk: { ...primary.pk, composite: ["scope"] },
      sk: { ...primary.sk, composite: [] },
    },
  },
});
