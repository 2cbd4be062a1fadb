import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** The tenant's side of a user's connection: whom it belongs to, for revoking it and for the limit of sockets (ADR 0017). */
export const tenantConnectionEntity = createSchema({
  model: { entity: "tenantconnection", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    /** The user's id; for an API key the id of the user who made it, `#` and its own. */
    holder: { type: "string", required: true, readOnly: true },
    connection_id: { type: "string", required: true, readOnly: true },
    /** Seconds. */
    expires_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    /** A user's connections, those of the user's API keys among them; all of a tenant's at most some hundreds. */
    byHolder: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["holder", "connection_id"] },
    },
  },
});
