import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** How many a tenant has of what its plan limits: equal to the number of rows that say `counted`. */
export const quotaCounterEntity = createSchema({
  model: { entity: "quotaCounter", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    name: {
      type: ["storedSessions", "promptsInFlight", "runningContainers"] as const,
      required: true,
      readOnly: true,
    },
    used: { type: "number" },
  },
  indexes: {
    byName: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["name"] },
    },
  },
});
