import * as z from "zod";
import { Delivery, TurnIds } from "./client-frame.ts";
import { ContentBlock, MessageRole, Usage } from "./content.ts";
import { MessageId, Timestamp, TurnId, UserId } from "./ids.ts";
import { PageQuery } from "./page.ts";
import { ServerEventSchema } from "./server-event.ts";

export const SendMessageRequest = z.strictObject({ content: z.string(), delivery: Delivery.default("queue") });

/** Same answer for the frame `message.send` and `POST /sessions/{id}/messages`. */
export const SendMessageAnswer = z.object({
  message_id: MessageId,
  turn_id: TurnId,
  seq: z.number().int(),
  queued: z.boolean(),
});

export type SendMessageAnswer = z.infer<typeof SendMessageAnswer>;

/** `turn_id`: only this turn is meant, whatever runs by then. */
export const InterruptRequest = z.strictObject({ turn_id: TurnId.optional() });

/** Same answer for the frame `turn.interrupt` and `POST /sessions/{id}/interrupt`. */
export const InterruptAnswer = z.object({
  turn_id: TurnId.nullable(),
  /**
   * `interrupting`: the turn will end with the reason `interrupted`. `ending`: it has its answer and waits for its
   * checkpoint only. `idle`: no turn runs, or not the one that was meant.
   */
  state: z.enum(["interrupting", "ending", "idle"]),
});
export type InterruptAnswer = z.infer<typeof InterruptAnswer>;

/** What the model reads after a turn that the user broke off. */
export const interruptedNote = "[The user interrupted this turn.]";
/** The result of a tool call that the user broke off. */
export const interruptedOutput = "Interrupted by the user";

/** Before the summary that stands in the transcript for what no longer fits the model. */
export const summaryNote = "[The conversation so far no longer fits. This is its summary.]";
/** Begins the request for one. */
export const summaryRequestNote = "[The conversation is about to leave the model's window.";

/** A prompt that waits for its turn. */
export const QueuedPrompt = z.object({
  turn_id: TurnId,
  message_id: MessageId,
  user_id: UserId,
  content: z.array(ContentBlock),
  created_at: Timestamp,
});
export type QueuedPrompt = z.infer<typeof QueuedPrompt>;

/** `turn_ids`: those that wait now, each once, in the order in which they shall begin. */
export const ReorderQueueRequest = z.strictObject({ turn_ids: TurnIds });

/** Same answer for `queue.cancel`, `queue.reorder` and their routes: the turns that wait now. */
export const QueueAnswer = z.object({ turn_ids: z.array(TurnId) });
export type QueueAnswer = z.infer<typeof QueueAnswer>;

/** Which way a list goes: the oldest first, or the newest. */
const Order = z.enum(["asc", "desc"]).default("asc");

export const MessagesQuery = PageQuery.extend({ order: Order, role: MessageRole.optional() });

export const ToolResult = z.object({
  /** Its place on the log: the whole output is at `/events/{seq}/output`. Null for a call that was refused at once. */
  seq: z.number().int().nullable(),
  is_error: z.boolean(),
  /** Head and tail where the whole is longer; `output_bytes` is the whole length. */
  output: z.string(),
  output_bytes: z.number().int(),
  truncated: z.boolean(),
  duration_ms: z.number().int().nullable(),
});

export const MessageToolCall = z.object({
  call_id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
  /** Null while it runs. */
  result: ToolResult.nullable(),
});

export const Message = z.object({
  id: MessageId,
  seq: z.number().int(),
  turn_id: TurnId,
  /** Whose prompt it is; null for any other message. */
  user_id: UserId.nullable(),
  role: MessageRole,
  content: z.array(ContentBlock),
  /** What the model asked for in this message, in its order, with the results. */
  tool_calls: z.array(MessageToolCall),
  /** What the model call cost; null for any other message. */
  usage: Usage.nullable(),
  /** The user stopped the model in the middle of this answer. */
  interrupted: z.boolean(),
  /** The chat went back to before this message: the model does not see it. Absent for all others. */
  undone: z.literal(true).optional(),
  created_at: Timestamp,
});

export type Message = z.infer<typeof Message>;

/** The events between `after` and `before`, both left out. */
export const EventsQuery = z.strictObject({
  after: z.coerce.number().int().nonnegative().default(0),
  before: z.coerce.number().int().positive().max(999_999_999_999).optional(),
  order: Order,
  limit: z.coerce.number().int().min(1).max(500).default(200),
});

/** Read on with `next_after`, or with `next_before` where the newest came first; null at the end of the range. */
export const EventsPage = z.object({
  data: z.array(ServerEventSchema),
  next_after: z.number().int().nullable(),
  next_before: z.number().int().nullable(),
});

/** The output of a tool call, by the `seq` of its `tool.completed`. */
export const ToolOutput = z.object({
  call_id: z.string(),
  /** The whole where it fits an answer, or else null: then it is at `url`. Cut where the whole was not kept. */
  output: z.string().nullable(),
  output_bytes: z.number().int(),
  truncated: z.boolean(),
  url: z.url().nullable(),
  expires_in: z.number().int().nullable(),
});
