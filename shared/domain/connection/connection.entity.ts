import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** One WebSocket. Looked up by the id that the gateway vouches for; checked on every frame. */
export const connectionEntity = createSchema({
  model: { entity: "connection", version: "1", service: serviceName },
  attributes: {
    connection_id: { type: "string", required: true, readOnly: true },
    kind: { type: ["user", "sandbox"] as const, required: true, readOnly: true },
    /** Changed once, of a sandbox that waited: its link becomes its session's. */
    tenant_id: { type: "string", required: true },
    /** User only; for an API key whoever made it. */
    user_id: { type: "string", readOnly: true },
    /** User only: the role when it connected. A change of role closes the connection. */
    role: { type: ["owner", "admin", "member", "viewer"] as const, readOnly: true },
    /** API key only. */
    key_id: { type: "string", readOnly: true },
    scopes: { type: "list", items: { type: "string" }, readOnly: true },
    /** User only: the holder of its `tenantConnection`. */
    holder: { type: "string", readOnly: true },
    /** Sandbox only: the one session and epoch that it may speak for. */
    session_id: { type: "string" },
    epoch: { type: "number" },
    /** Of a sandbox that waited: its row of the pool. */
    pool_id: { type: "string" },
    /** User only: what it is subscribed to, so that a disconnect finds the rows. */
    subscriptions: { type: "set", items: "string" },
    connected_at: { type: "number", required: true, readOnly: true },
    /** Seconds. */
    expires_at: { type: "number", required: true },
  },
  indexes: {
    byId: {
      pk: { ...primary.pk, composite: ["connection_id"] },
      sk: { ...primary.sk, composite: [] },
    },
  },
});
