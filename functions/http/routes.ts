import { authRoutes } from "./routes/auth.ts";
import { healthRoutes } from "./routes/health.ts";
import { jwksRoutes } from "./routes/jwks.ts";
import { meRoutes } from "./routes/me.ts";
import { previewRoutes } from "./routes/preview.ts";
import { sandboxTokenRoutes } from "./routes/sandbox-tokens.ts";
import { sessionRoutes } from "./routes/sessions.ts";
import { ticketRoutes } from "./routes/tickets.ts";

/** Every route of the HTTP API. */
export const routes = [
  ...healthRoutes,
  ...jwksRoutes,
  ...authRoutes,
  ...meRoutes,
  ...ticketRoutes,
  ...sessionRoutes,
  ...previewRoutes,
  ...sandboxTokenRoutes,
];
