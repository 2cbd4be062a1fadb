import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A sandbox that runs for nobody yet. It is given away once, and then it is a container's task like any other. */
export const warmSandboxEntity = createSchema({
  model: { entity: "warmsandbox", version: "1", service: serviceName },
  attributes: {
    pool_id: { type: "string", required: true, readOnly: true },
    status: { type: ["starting", "warm", "claimed"] as const, required: true },
    /** Absent until the launch is known to have happened. */
    task_id: { type: "string" },
    connection_id: { type: "string" },
    /** Its link can become its session's. */
    adopts_in_place: { type: "boolean" },
    /** Its tools run, in an empty workspace. */
    is_prepared: { type: "boolean" },
    private_ip: { type: "string" },
    created_at: { type: "number", required: true, readOnly: true },
    boot_redeemed_at: { type: "number" },
    last_heartbeat_at: { type: "number", required: true },
    /** Whose it became. */
    tenant_id: { type: "string" },
    session_id: { type: "string" },
    epoch: { type: "number" },
    claimed_at: { type: "number" },
    /** Seconds. */
    expires_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    /** All of them: a handful. */
    byPool: {
      pk: { ...primary.pk, composite: [] },
      sk: { ...primary.sk, composite: ["pool_id"] },
    },
  },
});
