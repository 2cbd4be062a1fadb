import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A branch that a session of the tenant has in a repository: created with the session, so that no two take the same. */
export const sessionBranchEntity = createSchema({
  model: { entity: "sessionBranch", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    repo_url: { type: "string", required: true, readOnly: true },
    /** Lower case: some file systems cannot hold two names that differ in case only. */
    name: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
  },
  indexes: {
    byName: {
      pk: { ...primary.pk, composite: ["tenant_id", "repo_url"] },
      sk: { ...primary.sk, composite: ["name"] },
    },
  },
});
