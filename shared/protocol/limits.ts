/** API Gateway WebSocket limits: 32 KB a frame, 128 KB a message (both ways). */
export const maxFrameBytes = 32 * 1024;
export const maxMessageBytes = 128 * 1024;
/** What we let one server event grow to before its body is cut, leaving room for the envelope. */
export const maxEventBytes = 120 * 1024;

/** One prompt, in bytes of UTF-8. */
export const maxPromptBytes = 64 * 1024;
/** Prompts that may wait behind the running turn of one session. */
export const maxQueuedPrompts = 10;
/** Tool calls of one step: a step's commit must fit DynamoDB's 100 actions per transaction. */
export const maxToolCallsPerStep = 32;
/** Model calls of one turn. */
export const maxStepsPerTurn = 200;

/** A timeline body over this goes to object storage before the commit (DynamoDB items hold 400 KB). */
export const maxInlineBodyBytes = 100 * 1024;
/** Tool output over this keeps its head and tail inline, the whole in object storage. */
export const maxInlineToolOutputBytes = 30 * 1024;
/** Live `tool.output`: one frame per interval, at most this much each, and this much per call. */
export const toolOutputIntervalMs = 250;
export const maxToolOutputFrameBytes = 16 * 1024;
export const maxLiveToolOutputBytes = 256 * 1024;

/** JSON columns of the session resource (`messages`, `sbx_config`). */
export const maxJsonColumnBytes = 200 * 1024;

/** Webhooks of one tenant. */
export const maxWebhooks = 20;
