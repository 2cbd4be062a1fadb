import * as z from "zod";
import { Session, Title } from "./session.ts";

export const ForkRequest = z.strictObject({
  /** A checkpoint's number; left out: the newest one, or the chat alone where there is none. */
  checkpoint: z.number().int().positive().optional(),
  title: Title.optional(),
});
export type ForkRequest = z.infer<typeof ForkRequest>;

/** The new session. Until it is `open` its log is being copied and takes no prompts (`session_copying`). */
export const ForkAnswer = Session.extend({
  fork: z.object({
    /** The checkpoint whose files it has; null: none was there. */
    checkpoint: z.number().int().nullable(),
    /** The last `seq` that it has in common with its parent. */
    until: z.number().int(),
    state: z.enum(["copying", "open"]),
  }),
});
export type ForkAnswer = z.infer<typeof ForkAnswer>;
