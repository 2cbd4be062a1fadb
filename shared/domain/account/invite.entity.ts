import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A link that makes one person a member. Whoever accepts it deletes it. */
export const inviteEntity = createSchema({
  model: { entity: "invite", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    invite_id: { type: "string", required: true, readOnly: true },
    /** SHA-256 of the secret part. */
    secret_hash: { type: "string", required: true, readOnly: true },
    role: { type: ["owner", "admin", "member", "viewer"] as const, required: true, readOnly: true },
    /** Lower case; absent where anybody with the link may take it. */
    email: { type: "string", readOnly: true },
    /** The invite is worth nothing once this user may not invite any more. */
    invited_by: { type: "string", required: true, readOnly: true },
    created_at: { type: "number", required: true, readOnly: true },
    /** Seconds. */
    expires_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    /** A tenant's open invites, oldest first; a few. */
    byTenant: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["invite_id"] },
    },
  },
});
