import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary, gsi1, gsi2, gsi5 } = keyFields;

/** One run of the sandbox task for a session; each run has a rising epoch. */
export const containerEntity = createSchema({
  model: { entity: "container", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    epoch: { type: "number", required: true, readOnly: true, padding: { length: 8, char: "0" } },
    status: { type: ["starting", "ready", "stopping", "stopped", "lost"] as const, required: true },
    /** The provider's id of the task; absent until the launch is known to have happened. */
    task_id: { type: "string" },
    /** Whose turn started it; absent where none ran. */
    user_id: { type: "string", readOnly: true },
    /** The tenant, and since when, while this holds one of the sandboxes that its plan allows. */
    counted_by: { type: "string" },
    counted_at: { type: "number" },
    /** The newest link of its supervisor. */
    connection_id: { type: "string" },
    private_ip: { type: "string" },
    preview_key: { type: "string", required: true, readOnly: true },
    /** Opens the supervisor's door to the platform. */
    control_key: { type: "string", readOnly: true },
    boot_redeemed_at: { type: "number" },
    requested_at: { type: "number", required: true, readOnly: true },
    ready_at: { type: "number" },
    last_heartbeat_at: { type: "number", required: true },
    /** From when until when its setup commands ran. */
    setup_from: { type: "number" },
    setup_until: { type: "number" },
    stopped_at: { type: "number" },
    stop_reason: { type: "string" },
  },
  indexes: {
    /** A session's containers, newest epoch first. */
    byEpoch: {
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: ["epoch"] },
    },
    /** Which container is this task of the provider? */
    byTask: {
      ...gsi5,
      projection: ["tenant_id", "session_id", "epoch"],
      pk: { ...gsi5.pk, composite: ["task_id"] },
      sk: { ...gsi5.sk, composite: [] },
    },
    /** The same of containers that were launched before that index was there (ADR 0046). */
    byTaskBefore: {
      ...gsi1,
      condition: () => false,
      pk: { ...gsi1.pk, composite: ["task_id"] },
      sk: { ...gsi1.sk, composite: [] },
    },
    /** Which containers hold the sandboxes that the tenant's plan allows? */
    countedOfTenant: {
      ...gsi2,
      pk: { ...gsi2.pk, composite: ["counted_by"] },
      sk: { ...gsi2.sk, composite: ["counted_at"] },
    },
  },
});
