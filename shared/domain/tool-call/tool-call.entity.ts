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
    /** The container that has it; 0 while it has none yet. */
    epoch: { type: "number", required: true },
    timeout_ms: { type: "number", required: true, readOnly: true },
    /** Of the container's answer. */
    deadline_at: { type: "number", required: true },
    /** Who brings its result; absent: the sandbox. */
    handler: { type: ["sandbox", "approval", "question", "delegate"] as const },
    /** Of a call that a person decides on, or did. */
    approval_id: { type: "string", readOnly: true },
    expires_at: { type: "number", readOnly: true },
    on_deadline: { type: ["deny", "allow"] as const, readOnly: true },
    /** The pattern of the rule that asks; absent: its tool's, or the default. */
    asked_by_pattern: { type: "string", readOnly: true },
    /** Of a delegated call: the session that works on it. */
    child_id: { type: "string", readOnly: true },
    /** Set in the transaction that makes that session: it is made once, also where it was deleted since. */
    child_created_at: { type: "number" },
    created_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    bySession: {
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: ["turn_id", "step", "call_id"] },
    },
  },
});
