import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** One WebSocket. Looked up by the id that the gateway vouches for; checked on every frame. */
export const connectionEntity = createSchema({
  model: { entity: "connection", version: "1", service: serviceName },
  attributes: {
    connection_id: { type: "string", required: true, readOnly: true },
    kind: { type: ["user", "sandbox"] as const, required: true, readOnly: true },
    tenant_id: { type: "string", required: true, readOnly: true },
    user_id: { type: "string", readOnly: true },
    role: { type: "string", readOnly: true },
    /** Sandbox only: the one session and epoch that it may speak for. */
    session_id: { type: "string", readOnly: true },
    epoch: { type: "number", readOnly: true },
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
