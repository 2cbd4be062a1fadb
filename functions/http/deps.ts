import type { IdentityDeps } from "../../shared/domain/account/identity.ts";
import type { PreviewDeps } from "../../shared/domain/preview/preview.ts";
import type { HistoryDeps } from "../../shared/domain/session/history.ts";
import type { ConfigDeps } from "../../shared/domain/session/change.ts";
import type { SessionDeps } from "../../shared/domain/session/create.ts";
import type { DeleteDeps } from "../../shared/domain/session/remove.ts";
import type { WebhookDeps } from "../../shared/domain/webhook/webhook.ts";
import type { Sockets } from "../../shared/ports/sockets.ts";
import type { Plans } from "../../shared/ports/plans.ts";
import type {
  BootSecrets,
  PublishedSigner,
  SandboxTokens,
  TokenVerifier,
  UserTokens,
} from "../../shared/ports/tokens.ts";
import type { HttpKitDeps } from "../kit/http.ts";
import { routesOver } from "../kit/route.ts";

/** Everything that the HTTP routes work with. */
export interface HttpDeps extends HttpKitDeps, SessionDeps, HistoryDeps, PreviewDeps, WebhookDeps {
  table: SessionDeps["table"];
  clock: SessionDeps["clock"];
  ids: SessionDeps["ids"];
  jobs: DeleteDeps["jobs"];
  networkPolicies: ConfigDeps["networkPolicies"];
  log: SessionDeps["log"];
  objects: HistoryDeps["objects"];
  sockets: Sockets;
  cursors: SessionDeps["cursors"];
  plans: Plans;
  registration: IdentityDeps["registration"];
  identityProviders: IdentityDeps["identityProviders"];
  verifier: TokenVerifier;
  userTokens: UserTokens & PublishedSigner;
  sandboxTokens: SandboxTokens;
  bootSecrets: BootSecrets;
  facts: {
    version: string;
    websocketUrl: string;
    /** What answers prompts, as a person would name it. */
    model: string;
  };
}

/** Declares one route of this process. */
export const route = routesOver<HttpDeps>();
