import type { Examples } from "../world.ts";
import { accountExamples } from "./account.ts";
import { checkpointExamples } from "./checkpoints.ts";
import { conversationExamples } from "./conversation.ts";
import { fileExamples } from "./files.ts";
import { forkExamples } from "./forks.ts";
import { gitExamples } from "./git.ts";
import { mergeExamples } from "./merges.ts";
import { platformExamples } from "./platform.ts";
import { secretExamples } from "./secrets.ts";
import { sessionExamples } from "./sessions.ts";
import { tenantExamples } from "./tenant.ts";
import { terminalExamples } from "./terminals.ts";
import { webhookExamples } from "./webhooks.ts";

/** By operation id. An operation without one fails, and one without an operation too. */
export const examples: Examples = {
  ...platformExamples,
  ...accountExamples,
  ...tenantExamples,
  ...sessionExamples,
  ...conversationExamples,
  ...checkpointExamples,
  ...forkExamples,
  ...gitExamples,
  ...mergeExamples,
  ...fileExamples,
  ...terminalExamples,
  ...webhookExamples,
  ...secretExamples,
};
