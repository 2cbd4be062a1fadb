import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** Only the state of a call: its input is in the assistant message, its result is the `tool.completed` row. */
export const toolCallEntity = createSchema({
  model: { entity: "toolCall", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    call_id: { type: "string", required: true, readOnly: true },
    turn_id: { type: "string", required: true, readOnly: true },
    step: { type: "number", required: true, readOnly: true },
    name: { type: "string", required: true, readOnly: true },
    /** The `seq` of the assistant message that asked for it. */
    asked_at_seq: { type: "number", required: true, readOnly: true },
    state: { type: ["pending", "completed"] as const, required: true },
    /** Known to the platform and the addressed sandbox only: a result must present it. */
    nonce: { type: "string", required: true, readOnly: true },
    epoch: { type: "number", required: true, readOnly: true },
    timeout_ms: { type: "number", required: true, readOnly: true },
    deadline_at: { type: "number", required: true, readOnly: true },
    created_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    bySession: {
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: ["turn_id", "step", "call_id"] },
    },
  },
});
