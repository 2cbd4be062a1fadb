import type { RouteDefinition } from "../kit/route.ts";
import type { HttpDeps } from "./deps.ts";
import { apiKeyRoutes } from "./routes/api-keys.ts";
import { approvalRoutes } from "./routes/approvals.ts";
import { authRoutes } from "./routes/auth.ts";
import { budgetRoutes } from "./routes/budgets.ts";
import { conversationRoutes } from "./routes/conversation.ts";
import { documentRoutes } from "./routes/documents.ts";
import { healthRoutes } from "./routes/health.ts";
import { inboxRoutes } from "./routes/inbox.ts";
import { inviteRoutes } from "./routes/invites.ts";
import { jwksRoutes } from "./routes/jwks.ts";
import { meRoutes } from "./routes/me.ts";
import { memberRoutes } from "./routes/members.ts";
import { oidcRoutes } from "./routes/oidc.ts";
import { previewRoutes } from "./routes/preview.ts";
import { queueRoutes } from "./routes/queue.ts";
import { sandboxTokenRoutes } from "./routes/sandbox-tokens.ts";
import { sessionRoutes } from "./routes/sessions.ts";
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
  ...inboxRoutes,
  ...conversationRoutes,
  ...queueRoutes,
  ...approvalRoutes,
  ...budgetRoutes,
  ...usageRoutes,
  ...webhookRoutes,
  ...previewRoutes,
  ...sandboxTokenRoutes,
];
