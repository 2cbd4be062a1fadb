import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary, gsi1, gsi2, gsi3, gsi5 } = keyFields;

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
    /** Those of them that wait for a person, and when the first deadline of these is, in milliseconds. */
    person_calls: { type: "number" },
    person_due_at: { type: "number" },
    /** JSON of `ApprovalPolicy`, copied from `sbx_config`; and of the `RememberedRule`s. */
    approvals: { type: "string" },
    remembered: { type: "string" },
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
    /** Tries of this step that the model gave no answer to, those of them that were paid for, and when the next one is. */
    setbacks: {
      type: "map",
      properties: {
        count: { type: "number", required: true },
        wasted: { type: "number", required: true },
        retry_at: { type: "number", required: true },
      },
    },
    /** Milliseconds; until then the fallback model is asked. */
    fallback_until: { type: "number" },
    /** Milliseconds; when the user asked the running turn to stop. Only in the phase `model`: elsewhere it takes effect at once. */
    interrupt_at: { type: "number" },
    /** Held in the tenant's budgets for the step that runs, or is next in a turn that waits for no person; the rows there change with it (`mirror.ts`). */
    reserved: {
      type: "map",
      properties: {
        tenant: { type: "boolean", required: true },
        /** Whose monthly budget holds it too. */
        user_id: { type: "string" },
        cost_micro_usd: { type: "number", required: true },
        tokens: { type: "number", required: true },
      },
    },
    /** Which monthly budgets there are for the turn, when that was read, and for whom. */
    budgets: {
      type: "map",
      properties: {
        read_at: { type: "number", required: true },
        user_id: { type: "string", required: true },
        tenant: { type: "boolean", required: true },
        user: { type: "boolean", required: true },
      },
    },
    /** The session's own limits, and those of each of its turns. Absent: none. */
    limits: {
      type: "map",
      properties: {
        session_cost_micro_usd: { type: "number" },
        session_tokens: { type: "number" },
        turn_cost_micro_usd: { type: "number" },
        turn_tokens: { type: "number" },
      },
    },
    /** What the running turn has used. */
    turn_cost_micro_usd: { type: "number" },
    turn_tokens: { type: "number" },
    /** What the last committed step used: the next one is taken to use as much. */
    step_cost_micro_usd: { type: "number" },
    step_tokens: { type: "number" },
    /** How many of the running and waiting prompts count in the tenant's quota; the counter changes with it. */
    counted: { type: "number" },
    /** The last prompt that joined the running turn: the turn does not end before the model saw it. */
    steer_seq: { type: "number" },
    /** The newest container's epoch; 0 before the first. */
    epoch: { type: "number", required: true },
    /** What containers before this epoch put and no checkpoint names is removed; absent: of none. */
    tidied_epoch: { type: "number" },
    /** Milliseconds; until then somebody waits for a container, whether a turn runs or not. */
    container_wanted_until: { type: "number" },
    /** Why the last such wish came to nothing. */
    container_refused: {
      type: "map",
      properties: {
        code: { type: "string", required: true },
        message: { type: "string", required: true },
        at: { type: "number", required: true },
      },
    },
    /** Edits of people that the model is told of in its next step, as of this fence. */
    told_edits: {
      type: "map",
      properties: {
        fence: { type: "number", required: true },
        of: { type: "list", required: true, items: { type: "string" } },
      },
    },
    /** The newest checkpoint's number; 0 before the first. */
    checkpoint: { type: "number", required: true },
    /** Where that checkpoint is on the timeline, and its commit. */
    checkpoint_seq: { type: "number" },
    checkpoint_commit: { type: "string" },
    /** What a person wants of the workspace between turns: JSON of `WorkspaceOperation`; and how the last one ended. */
    operation: { type: "string" },
    operated: { type: "string" },
    /** Restores of the chat, newest last: JSON of `[seq, visible_to][]`. They mark the history; the log itself has them all. */
    rewinds: { type: "string" },
    /** Up to this checkpoint people let what looks like a secret be pushed. */
    secrets_allowed: { type: "number" },
    /**
     * How the transcript fits the model: it fills its window, it was refused as too long, or nothing but a compaction
     * happened since. Absent: it fits.
     */
    context: { type: ["filling", "full", "compacted"] as const },
    /** The API refused the thoughts of before this `seq`: they are not sent again. */
    thoughts_from: { type: "number" },
    /** Containers that the running turn has lost. */
    losses: { type: "number", required: true },
    base_commit: { type: "string" },
    /** A child's first state: JSON of its parent's commit, base and packs. */
    seed: { type: "string" },
    /** Of a delegated session: how deep below one of people it is, whose call it works on, and in which turn of its own. */
    depth: { type: "number" },
    reports_to: {
      type: "map",
      properties: {
        session_id: { type: "string", required: true },
        turn_id: { type: "string", required: true },
        step: { type: "number", required: true },
        call_id: { type: "string", required: true },
        own_turn_id: { type: "string", required: true },
      },
    },
    /** Of a fork: whose log it has, and up to where. */
    forked: {
      type: "map",
      properties: {
        session_id: { type: "string", required: true },
        until: { type: "number", required: true },
        /** The checkpoint that it was forked at. */
        checkpoint: { type: "number" },
        /** What brings that one's files back. Absent in forks of an older version: what its row says. */
        pack_keys: { type: "list", items: { type: "string" } },
      },
    },
    /** It is not open yet: `head` says how much of that log is there. */
    copying: { type: "boolean" },
    /** The newest pull request of the session's branch. */
    pull_request: {
      type: "map",
      properties: {
        number: { type: "number", required: true },
        url: { type: "string", required: true },
      },
    },
    /** What delegated sessions have spent for this one: counts against its limits, the ledger rows are theirs. */
    children_cost_micro_usd: { type: "number" },
    children_tokens: { type: "number" },
    updated_at: { type: "number", required: true },
    due_shard: { type: "string" },
    due_at: { type: "number", padding: { length: 14, char: "0" } },
    /** Milliseconds; a wake-up is under way that looks at the open calls then. */
    watched_at: { type: "number" },
    /** Raised whenever somebody begins or ends to watch; absent before the first one. */
    watch_version: { type: "number" },
    /** Up to here the log was published; absent before its first outward row. */
    published_seq: { type: "number" },
    publish_shard: { type: "string" },
    publish_due_at: { type: "number", padding: { length: 14, char: "0" } },
    /** Users who prompted here, the latest ten: an answer is unread for them. */
    followers: { type: "list", items: { type: "string" } },
    /** Keys of needsPerson: the tenant with `waiting` or `failed`, and since when with the session. */
    attention_of: { type: "string" },
    attention_at: { type: "string" },
    /** The session was deleted: nothing moves here any more. */
    deleted_at: { type: "number" },
  },
  indexes: {
    bySession: {
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: [] },
    },
    /** Which sessions should have moved by now? Only sessions with work are in it. */
    dueForWakeUp: {
      ...gsi5,
      projection: ["tenant_id", "session_id", "due_at", "copying"],
      pk: { ...gsi5.pk, composite: ["due_shard"] },
      sk: { ...gsi5.sk, composite: ["due_at"] },
    },
    /** The same of rows that last moved before that index was there: they leave it with their next look (ADR 0046). */
    dueBefore: {
      ...gsi1,
      condition: () => false,
      pk: { ...gsi1.pk, composite: ["due_shard"] },
      sk: { ...gsi1.sk, composite: ["due_at"] },
    },
    /** Which sessions have something that the outside was not told yet? */
    dueForPublishing: {
      ...gsi2,
      pk: { ...gsi2.pk, composite: ["publish_shard"] },
      sk: { ...gsi2.sk, composite: ["publish_due_at"] },
    },
    /** Which sessions of a tenant wait for a person, or have failed? Newest first; others are not in it. */
    needsPerson: {
      ...gsi3,
      pk: { ...gsi3.pk, composite: ["attention_of"] },
      sk: { ...gsi3.sk, composite: ["attention_at"] },
    },
  },
});
