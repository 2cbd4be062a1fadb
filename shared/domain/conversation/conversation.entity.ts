import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary, gsi1 } = keyFields;

/** The turn engine's whole state of one session. Every transition is one conditional write of this row. */
export const conversationEntity = createSchema({
  model: { entity: "conversation", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    status: { type: ["idle", "running", "tools", "waiting", "failed"] as const, required: true },
    /** What the running turn waits for; `none` when no turn runs. */
    phase: { type: ["none", "model", "tools", "checkpoint"] as const, required: true },
    turn_id: { type: "string" },
    turn_user_id: { type: "string" },
    /** Where the turn's prompt is on the timeline. */
    prompt_seq: { type: "number" },
    /** Number of the next model call of the turn; the committed ones are below it. */
    step: { type: "number", required: true },
    /** Rises with each claim: a commit of an older one fails. */
    fence: { type: "number", required: true },
    /** Claims of the present step that came to nothing so far, the running one included. */
    attempts: { type: "number", required: true },
    /** Milliseconds; 0 when nobody works on the step. */
    lease_until: { type: "number", required: true },
    /** The last `seq` of the timeline. */
    head: { type: "number", required: true },
    pending_calls: { type: "number", required: true },
    /** Turns that wait, in the order of their acks. */
    queue: {
      type: "list",
      required: true,
      items: {
        type: "map",
        properties: {
          turn_id: { type: "string", required: true },
          user_id: { type: "string", required: true },
          prompt_seq: { type: "number", required: true },
        },
      },
    },
    /** How the turn ends once its checkpoint is there (or late). JSON of `TurnEnding`. */
    ending: { type: "string" },
    /** Milliseconds; when the phase gives up waiting. */
    deadline_at: { type: "number" },
    /** Milliseconds since the model first refused this step, 0 while it answers. */
    waiting_since: { type: "number", required: true },
    /** The last prompt that joined the running turn: the turn does not end before the model saw it. */
    steer_seq: { type: "number" },
    /** The newest container's epoch; 0 before the first. */
    epoch: { type: "number", required: true },
    /** The newest checkpoint's number; 0 before the first. */
    checkpoint: { type: "number", required: true },
    /** Where that checkpoint is on the timeline, and its commit. */
    checkpoint_seq: { type: "number" },
    checkpoint_commit: { type: "string" },
    /** Containers that the running turn has lost. */
    losses: { type: "number", required: true },
    base_commit: { type: "string" },
    /** A child's first state: JSON of its parent's commit, base and packs. */
    seed: { type: "string" },
    updated_at: { type: "number", required: true },
    due_shard: { type: "string" },
    due_at: { type: "number", padding: { length: 14, char: "0" } },
  },
  indexes: {
    bySession: {
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: [] },
    },
    /** Which sessions should have moved by now? Only sessions with work are in it. */
    dueForWakeUp: {
      ...gsi1,
      pk: { ...gsi1.pk, composite: ["due_shard"] },
      sk: { ...gsi1.sk, composite: ["due_at"] },
    },
  },
});
