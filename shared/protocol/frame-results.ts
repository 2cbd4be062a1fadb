import * as z from "zod";
import { ApprovalAnswer } from "./approval.ts";
import { CreateCheckpointAnswer, RestoreAnswer } from "./checkpoint.ts";
import type { ClientFrameType } from "./client-frame.ts";
import { InterruptAnswer, QueueAnswer, SendMessageAnswer } from "./conversation.ts";
import { fileFrameResults } from "./file.ts";
import { Timestamp } from "./ids.ts";
import { SandboxConfiguration } from "./sandbox-config.ts";
import { SandboxToken, UploadGrant, type SandboxFrameType, type UnansweredFrameType } from "./sandbox-frame.ts";
import { AttachTerminalAnswer, OpenTerminalAnswer } from "./terminal.ts";

const nothing = z.object({});

/** `result` of each frame's ack. A new frame does not compile until it is here. */
export const frameResults = {
  ping: z.object({ at: Timestamp }),
  "session.subscribe": nothing,
  "session.unsubscribe": nothing,
  "message.send": SendMessageAnswer,
  "turn.interrupt": InterruptAnswer,
  "queue.cancel": QueueAnswer,
  "queue.reorder": QueueAnswer,
  "approval.resolve": ApprovalAnswer,
  "checkpoint.create": CreateCheckpointAnswer,
  "checkpoint.restore": RestoreAnswer,
  "file.list": fileFrameResults.list,
  "file.read": fileFrameResults.read,
  "file.write": fileFrameResults.write,
  "file.delete": fileFrameResults.delete,
  "file.move": fileFrameResults.move,
  "file.search": fileFrameResults.search,
  "terminal.open": OpenTerminalAnswer,
  "terminal.attach": AttachTerminalAnswer,
  "terminal.input": nothing,
  "terminal.resize": nothing,
  "terminal.close": nothing,
} as const satisfies Record<ClientFrameType, z.ZodType>;

/** The same of a sandbox's frames. Null: sent live, and answered only where it is refused. */
export const sandboxFrameResults = {
  "sandbox.hello": nothing,
  "sandbox.ready": nothing,
  "sandbox.failed": nothing,
  "sandbox.heartbeat": nothing,
  "sandbox.tool_output": null,
  "sandbox.tool_completed": nothing,
  "sandbox.checkpoint_taken": nothing,
  "sandbox.checkpoint_pushed": nothing,
  "sandbox.upload_request": UploadGrant,
  "sandbox.files_changed": null,
  "sandbox.port_opened": null,
  "sandbox.port_closed": null,
  "sandbox.terminal_output": null,
  "sandbox.terminal_changed": nothing,
  "sandbox.renew_token": SandboxToken,
  "sandbox.read_configuration": SandboxConfiguration,
  "sandbox.setup_started": nothing,
  "sandbox.setup_output": null,
  "sandbox.setup_completed": nothing,
  "sandbox.stopping": nothing,
} as const satisfies { [T in SandboxFrameType]: T extends UnansweredFrameType ? null : z.ZodType };

type ResultsOf<T extends Record<string, z.ZodType | null>> = {
  [K in keyof T]: T[K] extends z.ZodType ? z.input<T[K]> : null;
};
export type FrameResults = ResultsOf<typeof frameResults>;
export type SandboxFrameResults = ResultsOf<typeof sandboxFrameResults>;
