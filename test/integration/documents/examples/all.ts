import type { Examples } from "../world.ts";
import { accountExamples } from "./account.ts";
import { conversationExamples } from "./conversation.ts";
import { platformExamples } from "./platform.ts";
import { sessionExamples } from "./sessions.ts";
import { tenantExamples } from "./tenant.ts";
import { webhookExamples } from "./webhooks.ts";

/** By operation id. An operation without one fails, and one without an operation too. */
export const examples: Examples = {
  ...platformExamples,
  ...accountExamples,
  ...tenantExamples,
  ...sessionExamples,
  ...conversationExamples,
  ...webhookExamples,
};
