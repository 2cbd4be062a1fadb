import type * as z from "zod";
import type { Author, Welcome, WorkspaceSource } from "../../protocol/sandbox-frame.ts";
import { coAuthor } from "../checkpoint/checkpoint.ts";
import { idleStopSeconds } from "./container.decisions.ts";
import type { Container } from "./container.ts";

type Whose = Pick<Container, "session_id" | "epoch" | "preview_key" | "control_key">;
type Beginning = Pick<Welcome, "configuration"> & { source: WorkspaceSource; author: z.infer<typeof Author> };

/** What a session's sandbox begins with. */
export function welcomeOf(
  { session_id, epoch, preview_key, control_key }: Whose,
  { source, author, configuration }: Beginning,
): Welcome {
  return {
    session_id,
    epoch,
    source,
    preview_key,
    control_key,
    checkpoint_as: { author, co_author: coAuthor },
    idle_stop_seconds: idleStopSeconds,
    configurable: true,
    ...(configuration ? { configuration } : {}),
  };
}
