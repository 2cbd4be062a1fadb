import * as z from "zod";
import { ApprovalRequested, ApprovalResolved } from "./approval.ts";
import { BudgetScope, BudgetUnit } from "./budget.ts";
import { ContentBlock, MessageRole, TokenCounts, Usage } from "./content.ts";
import { WireError } from "./error-code.ts";
import { FileEdit } from "./file.ts";
import { SessionId, Timestamp, TurnId } from "./ids.ts";
import { MergeEnded } from "./merge-report.ts";
import { SetupOutcome } from "./sandbox-config.ts";
import { InboxStatus } from "./session.ts";
import { terminalEvents } from "./terminal.ts";

export const TurnEndReason = z.enum([
  "completed",
  "requires_action",
  "interrupted",
  "budget_reached",
  "max_steps",
  "refused",
  "error",
  "sandbox_lost",
]);
export type TurnEndReason = z.infer<typeof TurnEndReason>;

const message = z.object({
  message_id: z.string(),
  role: MessageRole,
  content: z.array(ContentBlock),
  usage: Usage.nullable(),
  /** The body is too large for a frame: read it at `GET /sessions/{id}/messages/{seq}`. */
  truncated: z.boolean().optional(),
  /** The user stopped the model in the middle of this answer. */
  interrupted: z.boolean().optional(),
});

const diffStat = z.object({ files: z.number().int(), insertions: z.number().int(), deletions: z.number().int() });

const toolCall = z.object({ call_id: z.string(), name: z.string() });

/** `held`: it holds what looks like a secret, and waits for a person's word. */
export const PushStatus = z.enum(["none", "pushed", "pending", "held"]);

/** What made a checkpoint; absent in rows of an older version, which know turns only. */
export const CheckpointCause = z.enum(["turn", "manual", "stop", "restore", "merge", "fork"]);
export type CheckpointCause = z.infer<typeof CheckpointCause>;

/** Why a push is held: where, and by which rule. Never the secret itself. */
export const SecretFinding = z.object({ path: z.string(), rule: z.string() });
export type SecretFinding = z.infer<typeof SecretFinding>;

/** What goes back to a checkpoint. */
export const RestoreWhat = z.enum(["chat", "files", "both"]);
export type RestoreWhat = z.infer<typeof RestoreWhat>;

/** On the timeline, with a `seq`: what a client that was away must still learn. */
export const durableEventData = {
  "message.completed": message,
  "turn.started": z.object({}),
  "turn.ended": z.object({
    reason: TurnEndReason,
    steps: z.number().int(),
    error: WireError.nullable(),
    checkpoint: z.number().int().nullable(),
    checkpoint_pending: z.boolean(),
  }),
  "tool.started": toolCall.extend({
    input: z.record(z.string(), z.unknown()),
    truncated: z.boolean().optional(),
    /** Of `delegate`: the session that works on it. */
    child_session_id: SessionId.optional(),
  }),
  "tool.completed": toolCall.extend({
    is_error: z.boolean(),
    /** Head and tail where the whole is longer than fits inline; `output_bytes` is the whole length. */
    output: z.string(),
    output_bytes: z.number().int(),
    truncated: z.boolean(),
    object_key: z.string().nullable(),
    duration_ms: z.number().int().nullable(),
  }),
  /** A person has to decide on a call, or the model asks one. `tool.started` follows only where the call may run. */
  "approval.requested": ApprovalRequested,
  "approval.resolved": ApprovalResolved,
  "checkpoint.created": z.object({
    number: z.number().int(),
    commit: z.string(),
    parent_commit: z.string().nullable(),
    branch: z.string().nullable(),
    message: z.string(),
    stat: diffStat,
    push_status: PushStatus,
    push_error: z.string().nullable(),
    /** Absent where a turn made it. */
    cause: CheckpointCause.optional(),
    /** Of a restore: the checkpoint whose files these are. */
    restored_from: z.number().int().optional(),
    held: z.array(SecretFinding).optional(),
    /** What of the workspace is not in it, and why. */
    warning: z.string().optional(),
  }),
  /** `checkpoint`: the newest one, whose files are those of `number`. The model sees nothing between `visible_to` and here. */
  "checkpoint.restored": z.object({
    number: z.number().int(),
    what: RestoreWhat,
    checkpoint: z.number().int().nullable(),
    visible_to: z.number().int().nullable(),
    user_id: z.string(),
  }),
  /** A merge of the target branch is over: turns may begin again. What it left is a checkpoint of its own. */
  "merge.ended": MergeEnded,
  "checkpoint.pushed": z.object({ number: z.number().int(), commit: z.string(), branch: z.string() }),
  "container.starting": z.object({ epoch: z.number().int() }),
  "container.ready": z.object({ epoch: z.number().int(), restored_checkpoint: z.number().int().nullable() }),
  /** The setup commands of a fresh container. Where they failed the tools run all the same, and the model is told. */
  "container.setup": SetupOutcome.partial().extend({
    epoch: z.number().int(),
    status: z.enum(["started", "ok", "failed"]),
  }),
  "container.stopped": z.object({ epoch: z.number().int(), reason: z.string() }),
  "container.lost": z.object({ epoch: z.number().int(), reason: z.string() }),
  /** A person changed files by the API: the model is told before its next answer. Edits that say nothing new take no event. */
  "files.edited": z.object({ user_id: z.string(), changes: z.array(FileEdit) }),
  /** A person changed the session; its JSON columns are at `GET /sessions/{id}`. */
  "session.updated": z.object({
    changed: z.array(z.enum(["title", "inbox_status", "parent", "messages", "sbx_config"])),
    title: z.string(),
    inbox_status: InboxStatus,
    parent: SessionId.nullable(),
  }),
  /** First row of a fork's own: its log before is the other session's, up to `until`. */
  "session.forked": z.object({
    from_session_id: SessionId,
    until: z.number().int(),
    /** The checkpoint whose files it has; null: none was there. */
    checkpoint: z.number().int().nullable(),
  }),
  /** From the session's branch to its target branch, on the repository's host. */
  "pull_request.created": z.object({
    number: z.number().int(),
    url: z.url(),
    branch: z.string(),
    target_branch: z.string(),
  }),
  /** The turns that wait now, in order; `cancelled` are those that never will begin. */
  "queue.updated": z.object({ turn_ids: z.array(TurnId), cancelled: z.array(TurnId).optional() }),
  /** The turn ends by this. Of `turn` its own limit; otherwise the prompts that wait stay until the limit is raised. */
  "budget.reached": z.object({
    scope: BudgetScope,
    unit: BudgetUnit,
    limit: z.number().int(),
    used: z.number().int(),
  }),
} as const;

/** Live only, with `seq: null`: a reader that missed one has lost nothing that is not on the timeline too. */
export const liveEventData = {
  "message.started": z.object({ message_id: z.string(), step: z.number().int(), fence: z.number().int() }),
  "message.delta": z.object({
    message_id: z.string(),
    fence: z.number().int(),
    block: z.enum(["text", "thinking"]),
    index: z.number().int(),
    /** UTF-16 offset within the block, so that a reader sees a gap. */
    offset: z.number().int(),
    text: z.string(),
  }),
  "tool.output": z.object({ call_id: z.string(), offset: z.number().int(), text: z.string() }),
  "container.setup_output": z.object({ offset: z.number().int(), text: z.string() }),
  "file.changed": z.object({
    by: z.enum(["user", "assistant", "process"]),
    changes: z.array(z.object({ path: z.string(), kind: z.enum(["created", "updated", "deleted"]) })),
    more: z.number().int(),
  }),
  ...terminalEvents,
  "preview.ready": z.object({ port: z.number().int() }),
  /** All of a sandbox's ports close with it: that is not told of one by one. */
  "preview.closed": z.object({ port: z.number().int() }),
  "usage.updated": TokenCounts.extend({ cost_micro_usd: z.number().int().nullable() }),
  /** The model has no answer for now: when it is asked again, and which model where that is another one than before. */
  "model.waiting": z.object({
    code: z.string(),
    retry_after_ms: z.number().int(),
    retry_at: Timestamp,
    next_model: z.string().optional(),
  }),
  /** Its log is gone: nothing more comes of this session. */
  "session.deleted": z.object({}),
  /** `more`: the log is longer; subscribe again after `head`. */
  "replay.completed": z.object({ head: z.number().int(), more: z.boolean() }),
} as const;

const envelope = { v: z.literal(1), session_id: SessionId, at: Timestamp, turn_id: TurnId.optional() };

function event<T extends string, D extends z.ZodType, S extends z.ZodType>(type: T, data: D, seq: S) {
  return z.object({ ...envelope, type: z.literal(type), seq, data });
}

const seq = z.number().int().positive();

type EventOf<M extends Record<string, z.ZodType>, S> = {
  [T in keyof M & string]: {
    v: 1;
    type: T;
    session_id: string;
    seq: S;
    at: string;
    turn_id?: string;
    data: z.infer<M[T]>;
  };
}[keyof M & string];

export type DurableEventType = keyof typeof durableEventData;
export type DurableEvent = EventOf<typeof durableEventData, number>;
export type LiveEvent = EventOf<typeof liveEventData, null>;
export type ServerEvent = DurableEvent | LiveEvent;

const durable = Object.entries(durableEventData).map(([type, data]) => event(type, data, seq));
const live = Object.entries(liveEventData).map(([type, data]) => event(type, data, z.null()));

/** Parses any event that a client may see. Readers skip what they do not know; this schema is for writers and tests. */
export const ServerEventSchema = z.union([...durable, ...live]);

/** Several events in one message, in their order: for who subscribed with `batched`. */
export const EventBatch = z.object({ type: z.literal("events"), events: z.array(ServerEventSchema).min(2) });
