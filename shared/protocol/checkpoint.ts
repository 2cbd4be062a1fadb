import * as z from "zod";
import { Timestamp, TurnId } from "./ids.ts";
import { PushStatus } from "./server-event.ts";

export const Checkpoint = z.object({
  number: z.number().int(),
  seq: z.number().int(),
  turn_id: TurnId,
  commit: z.string(),
  parent_commit: z.string().nullable(),
  branch: z.string().nullable(),
  message: z.string(),
  stat: z.object({ files: z.number().int(), insertions: z.number().int(), deletions: z.number().int() }),
  push_status: PushStatus,
  created_at: Timestamp,
});

export type Checkpoint = z.infer<typeof Checkpoint>;
