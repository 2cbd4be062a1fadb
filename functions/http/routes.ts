import type { RouteDefinition } from "../kit/route.ts";
import type { HttpDeps } from "./deps.ts";
import { apiKeyRoutes } from "./routes/api-keys.ts";
import { approvalRoutes } from "./routes/approvals.ts";
import { authRoutes } from "./routes/auth.ts";
import { budgetRoutes } from "./routes/budgets.ts";
import { checkpointRoutes } from "./routes/checkpoints.ts";
import { conversationRoutes } from "./routes/conversation.ts";
import { documentRoutes } from "./routes/documents.ts";
import { forkRoutes } from "./routes/forks.ts";
import { gitRoutes } from "./routes/git.ts";
import { fileRoutes } from "./routes/files.ts";
import { healthRoutes } from "./routes/health.ts";
import { inboxRoutes } from "./routes/inbox.ts";
import { inviteRoutes } from "./routes/invites.ts";
import { jwksRoutes } from "./routes/jwks.ts";
import { meRoutes } from "./routes/me.ts";
import { memberRoutes } from "./routes/members.ts";
import { mergeRoutes } from "./routes/merges.ts";
import { oidcRoutes } from "./routes/oidc.ts";
import { previewRoutes } from "./routes/preview.ts";
import { queueRoutes } from "./routes/queue.ts";
import { secretRoutes } from "./routes/secrets.ts";
import { sandboxTokenRoutes } from "./routes/sandbox-tokens.ts";
import { sessionRoutes } from "./routes/sessions.ts";
import { terminalRoutes } from "./routes/terminals.ts";
import { ticketRoutes } from "./routes/tickets.ts";
import { usageRoutes } from "./routes/usage.ts";
import { webhookRoutes } from "./routes/webhooks.ts";

/** Every route of the HTTP API. */
export const routes: RouteDefinition<HttpDeps>[] = [
  ...healthRoutes,
  ...documentRoutes(() => routes),
  ...jwksRoutes,
  ...authRoutes,
  ...oidcRoutes,
  ...meRoutes,
  ...memberRoutes,
  ...inviteRoutes,
  ...ticketRoutes,
  ...apiKeyRoutes,
  ...sessionRoutes,
  ...forkRoutes,
  ...gitRoutes,
  ...mergeRoutes,
  ...inboxRoutes,
  ...conversationRoutes,
  ...checkpointRoutes,
  ...queueRoutes,
  ...approvalRoutes,
  ...budgetRoutes,
  ...usageRoutes,
  ...webhookRoutes,
  ...secretRoutes,
  ...terminalRoutes,
  ...fileRoutes,
  ...previewRoutes,
  ...sandboxTokenRoutes,
];
