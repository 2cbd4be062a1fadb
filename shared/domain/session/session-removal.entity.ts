import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary, gsi1 } = keyFields;

/** A deleted session whose rows and objects are still to be removed: all that its row said and the job needs. */
export const sessionRemovalEntity = createSchema({
  model: { entity: "sessionRemoval", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    title: { type: "string", required: true, readOnly: true },
    repo_url: { type: "string", readOnly: true },
    branch: { type: "string", readOnly: true },
    requested_at: { type: "number", required: true, readOnly: true },
    due_shard: { type: "string" },
    /** When the sweeper asks for the job again; absent while other sessions hold the packs. */
    due_at: { type: "number", padding: { length: 14, char: "0" } },
  },
  indexes: {
    byId: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["session_id"] },
    },
    /** Whose removal should have gone on by now? */
    dueForRemoval: {
      ...gsi1,
      pk: { ...gsi1.pk, composite: ["due_shard"] },
      sk: { ...gsi1.sk, composite: ["due_at"] },
    },
  },
});
