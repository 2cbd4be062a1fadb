import type { PreviewDeps } from "../../shared/domain/preview/preview.ts";
import type { HistoryDeps } from "../../shared/domain/session/history.ts";
import type { SessionDeps } from "../../shared/domain/session/session.ts";
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
export interface HttpDeps extends HttpKitDeps, SessionDeps, HistoryDeps, PreviewDeps {
  table: SessionDeps["table"];
  clock: SessionDeps["clock"];
  log: SessionDeps["log"];
  objects: SessionDeps["objects"];
  cursors: SessionDeps["cursors"];
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
