import type { ClientFrameType } from "../../shared/protocol/client-frame.ts";
import type { SandboxFrameType } from "../../shared/protocol/sandbox-frame.ts";
import type { ServerEvent } from "../../shared/protocol/server-event.ts";

/** One line for each message of the WebSocket API. A new one does not compile until it is here. */
export const frameSummaries: Record<ClientFrameType, string> = {
  ping: "Keeps the connection from idling",
  "session.subscribe": "Watches a session: its log after `after`, then all that happens",
  "session.unsubscribe": "Stops watching a session",
  "message.send": "Sends a prompt; the same `request_id` sends it once",
  "turn.interrupt": "Ends the running turn",
  "queue.cancel": "Takes a waiting prompt out of the queue",
  "queue.reorder": "Says in which order waiting prompts begin",
  "approval.resolve": "Decides on a tool call that waits for a person, or answers a question",
};

export const sandboxFrameSummaries: Record<SandboxFrameType, string> = {
  "sandbox.hello": "First frame on every link",
  "sandbox.ready": "The workspace is filled and tools may run",
  "sandbox.failed": "The workspace cannot be filled",
  "sandbox.heartbeat": "Alive; every 10 s",
  "sandbox.tool_output": "What a running tool call prints",
  "sandbox.tool_completed": "The result of a tool call",
  "sandbox.checkpoint_taken": "The workspace is committed and its pack is stored",
  "sandbox.checkpoint_pushed": "A late push arrived",
  "sandbox.upload_request": "Asks where to put a large body",
  "sandbox.files_changed": "Files of the workspace changed",
  "sandbox.port_opened": "A server in the sandbox listens",
  "sandbox.renew_token": "Asks for a new token",
  "sandbox.stopping": "The sandbox stops by itself",
};

export const eventSummaries: Record<ServerEvent["type"], string> = {
  "message.completed": "A person's prompt, or the model's whole answer of one step",
  "turn.started": "A prompt begins to run",
  "turn.ended": "The turn is over, and why",
  "tool.started": "The model calls a tool",
  "tool.completed": "The tool's result",
  "approval.requested": "A person has to decide on a tool call, or the model asks one",
  "approval.resolved": "What became of a decision that was waited for",
  "checkpoint.created": "The workspace was committed",
  "checkpoint.pushed": "A push that was late arrived",
  "container.starting": "A sandbox is launched",
  "container.ready": "The sandbox runs tools",
  "container.stopped": "The sandbox ended as it should",
  "container.lost": "The sandbox ended as it should not",
  "session.updated": "A person changed the session",
  "queue.updated": "Which prompts wait",
  "budget.reached": "A limit of tokens or money ended the turn",
  "message.started": "The model begins to answer",
  "message.delta": "A piece of the answer",
  "tool.output": "A piece of a running tool's output",
  "file.changed": "Files of the workspace changed",
  "preview.ready": "A server in the sandbox listens",
  "usage.updated": "What one model call used",
  "model.waiting": "The model refused for now",
  "session.deleted": "The session is gone",
  "replay.completed": "The log was sent up to `head`",
};
