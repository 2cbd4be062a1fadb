import * as z from "zod";
import { Delivery } from "./client-frame.ts";
import { ContentBlock, MessageRole, Usage } from "./content.ts";
import { MessageId, Timestamp, TurnId } from "./ids.ts";
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

export const Message = z.object({
  id: MessageId,
  seq: z.number().int(),
  turn_id: TurnId,
  role: MessageRole,
  content: z.array(ContentBlock),
  usage: Usage.nullable(),
  created_at: Timestamp,
});

export type Message = z.infer<typeof Message>;

export const EventsQuery = z.strictObject({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(500).default(200),
});

/** `next_after`: read on with it; null at the end of the log. */
export const EventsPage = z.object({ data: z.array(ServerEventSchema), next_after: z.number().int().nullable() });
