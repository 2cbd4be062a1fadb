import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** What is known of a tenant's credential for a git host. The secret is in Secrets Manager, under `revision`. */
export const gitCredentialEntity = createSchema({
  model: { entity: "gitCredential", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    /** The host's name. */
    host: { type: "string", required: true, readOnly: true },
    origin: { type: "string", required: true },
    kind: { type: ["token", "github_app"] as const, required: true },
    /** Empty where the kind has none: a credential replaces all of another one. */
    username: { type: "string", required: true },
    app_id: { type: "string", required: true },
    installation_id: { type: "string", required: true },
    hint: { type: "string", required: true },
    /** Which of the secret's entries for this host it is: an older one is not this credential. */
    revision: { type: "string", required: true },
    created_by: { type: "string", required: true },
    /** Milliseconds; 0 is never. */
    created_at: { type: "number", required: true },
    last_used_at: { type: "number", required: true },
    failing_since: { type: "number", required: true },
  },
  indexes: {
    /** A tenant's credentials. */
    byHost: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["host"] },
    },
  },
});
