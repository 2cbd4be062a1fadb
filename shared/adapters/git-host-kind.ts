import type { GitHost } from "../config/env.ts";
import type { GitHostKind } from "../ports/git-hosts.ts";

const kinds: Record<string, GitHostKind> = {
  "github.com": "github",
  "gitlab.com": "gitlab",
  "bitbucket.org": "bitbucket",
};

export function kindOf(host: GitHost): GitHostKind {
  return host.kind ?? kinds[new URL(host.origin).hostname] ?? "plain";
}

/** What each takes beside a token. */
export const tokenUsernames: Record<GitHostKind, string> = {
  github: "x-access-token",
  gitlab: "oauth2",
  bitbucket: "x-token-auth",
  plain: "git",
};

/** Without a slash at its end; null where the platform speaks to no API of such a host. */
export function apiOf(host: GitHost): string | null {
  if (host.api !== undefined) return host.api.replace(/\/$/, "");
  const { origin } = new URL(host.origin);
  const kind = kindOf(host);
  if (kind === "gitlab") return `${origin}/api/v4`;
  if (kind !== "github") return null;
  return origin === "https://github.com" ? "https://api.github.com" : `${origin}/api/v3`;
}
