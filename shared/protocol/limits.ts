/** API Gateway WebSocket limits: 32 KB a frame, 128 KB a message (both ways). */
export const maxFrameBytes = 32 * 1024;
export const maxMessageBytes = 128 * 1024;
/** What the result of an ack may hold, in bytes of JSON. */
export const maxFrameAnswerBytes = 110 * 1024;
/** What we let one server event grow to before its body is cut, leaving room for the envelope. */
export const maxEventBytes = 120 * 1024;

/** One prompt, in bytes of UTF-8. */
export const maxPromptBytes = 64 * 1024;
/** Prompts that may wait behind the running turn of one session. */
export const maxQueuedPrompts = 10;
/** Tool calls of one step: a step's commit must fit DynamoDB's 100 actions per transaction. */
export const maxToolCallsPerStep = 32;
/** Calls of one step that wait for a person: the end of a turn with all of them open must fit one transaction too. */
export const maxDecisionsPerStep = 16;
/** Model calls of one turn. */
export const maxStepsPerTurn = 500;

/** A timeline body over this goes to object storage before the commit (DynamoDB items hold 400 KB). */
export const maxInlineBodyBytes = 100 * 1024;
/** Tool output over this keeps its head and tail inline, the whole in object storage. */
export const maxInlineToolOutputBytes = 30 * 1024;
/** Live `tool.output`: one frame per interval, at most this much each, and this much per call. */
export const toolOutputIntervalMs = 250;
export const maxToolOutputFrameBytes = 16 * 1024;
export const maxLiveToolOutputBytes = 256 * 1024;

/** One checkpoint's pack: what may be put away, a later container reads. */
export const maxPackBytes = 2048 * 1024 * 1024;

/** JSON columns of the session resource (`messages`, `sbx_config`). */
export const maxJsonColumnBytes = 200 * 1024;

/** Webhooks of one tenant. */
export const maxWebhooks = 20;

/** `sbx_config.approvals` is copied to the row that every step writes: it stays small. */
export const maxPolicyBytes = 4 * 1024;
export const maxApprovalRules = 32;
/** What people decided "for this session"; the oldest gives way. */
export const maxRememberedRules = 20;
/** How long a decision may be waited for. */
export const defaultDecisionSeconds = 7 * 24 * 3600;
export const maxDecisionSeconds = 30 * 24 * 3600;
export const maxQuestionCharacters = 4000;
export const maxAskOptions = 10;
/** What a person answers to a question, and notes at a decision, in bytes of UTF-8. */
export const maxAnswerBytes = 10 * 1024;
export const maxNoteBytes = 2 * 1024;

/** A delegated task, in bytes of UTF-8: with what is put before it, it is a prompt. */
export const maxDelegatedPromptBytes = 60 * 1024;
/** Sub-sessions that one step may begin. */
export const maxDelegatesPerStep = 4;
/** Sessions below one another that delegation makes: a session of people is at depth 0. */
export const maxDelegateDepth = 2;
