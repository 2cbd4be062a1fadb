import type { IdentityDeps } from "../../shared/domain/account/identity.ts";
import type { PreviewDeps } from "../../shared/domain/preview/preview.ts";
import type { HistoryDeps } from "../../shared/domain/session/history.ts";
import type { ConfigDeps } from "../../shared/domain/session/change.ts";
import type { SessionDeps } from "../../shared/domain/session/create.ts";
import type { DeleteDeps } from "../../shared/domain/session/remove.ts";
import type { WebhookDeps } from "../../shared/domain/webhook/webhook.ts";
import type { Objects } from "../../shared/ports/objects.ts";
import type { SandboxDoor } from "../../shared/ports/sandbox-door.ts";
import type { TenantSecrets } from "../../shared/ports/git-credentials.ts";
import type { GitHosts } from "../../shared/ports/git-hosts.ts";
import type { PullRequests } from "../../shared/ports/pull-requests.ts";
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
  offer: ConfigDeps["offer"];
  log: SessionDeps["log"];
  objects: Objects;
  sockets: Sockets;
  gitHosts: Pick<GitHosts, "known" | "resolve" | "inspect" | "mintRead" | "mintPush">;
  tenantSecrets: TenantSecrets;
  pullRequests: PullRequests;
  door: SandboxDoor;
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
