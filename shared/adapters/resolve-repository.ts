import type { GitHost } from "../config/env.ts";
import { AppError } from "../errors.ts";

type RepositoryHost = Pick<GitHost, "origin" | "allowPrivate" | "defaultOwner">;

const maxChars = 500;
const segment = /^[A-Za-z0-9_~][A-Za-z0-9._~-]{0,99}$/;
const bareName = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/;
const ownerAndName = /^([A-Za-z0-9_][A-Za-z0-9._-]{0,99})\/([A-Za-z0-9_][A-Za-z0-9._-]{0,99})$/;

/**
 * The clone URL for what a person wrote: an https URL on a configured host, `owner/name` on the first host, or a bare name
 * under the first default owner. Throws `validation_failed` for what is no repository, `repo_not_allowed` for another host.
 */
export function resolveRepository(input: string, hosts: readonly RepositoryHost[]): string {
  const text = input.trim();
  if (text === "" || text.length > maxChars) throw invalid(`must have 1 to ${maxChars} characters`);
  if (bareName.test(text)) return underDefaultOwner(text, hosts);
  const short = ownerAndName.exec(text);
  if (short !== null) return onFirstHost(short[1] ?? "", short[2] ?? "", hosts);
  return onNamedHost(text, hosts);
}

function underDefaultOwner(name: string, hosts: readonly RepositoryHost[]): string {
  const host = hosts.find((each) => each.defaultOwner !== null);
  if (host?.defaultOwner == null) throw invalid("a name without an owner: there is no default owner here");
  return cloneUrl(host, [host.defaultOwner, name]);
}

function onFirstHost(owner: string, name: string, hosts: readonly RepositoryHost[]): string {
  const host = hosts[0];
  if (host === undefined) throw new AppError("repo_not_allowed", "No git host is configured");
  return cloneUrl(host, [owner, name]);
}

function onNamedHost(text: string, hosts: readonly RepositoryHost[]): string {
  // URL parsing repairs these silently; a repository has none of them.
  if (/[\s\\%@?#]|\p{Cc}/u.test(text)) throw invalid("must be a plain URL, without user, query or escapes");
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:\/\//i.test(text)) throw invalid("must be an https URL, owner/name or a name");
  const host = hosts.find((each) => new URL(each.origin).origin === url.origin);
  if (host === undefined || (url.protocol === "http:" && !host.allowPrivate)) {
    throw new AppError("repo_not_allowed", `${url.host} is not a git host of this deployment`);
  }
  // The text, since the parsed path has lost its dot segments.
  const path = text.slice(text.indexOf("/", text.indexOf("//") + 2) + 1);
  return cloneUrl(host, path.replace(/\/$/, "").split("/"));
}

function cloneUrl({ origin }: RepositoryHost, segments: string[]): string {
  if (segments.length < 2 || !segments.every((each) => segment.test(each)))
    throw invalid("must name an owner and a repository");
  const path = segments.join("/");
  // A longer path is a host's own layout (groups, projects), which says itself whether it ends in `.git`.
  const suffix = segments.length === 2 && !path.endsWith(".git") ? ".git" : "";
  return `${new URL(origin).origin}/${path}${suffix}`;
}

const invalid = (message: string) =>
  new AppError("validation_failed", `repo ${message}`, { issues: [{ path: "repo", message }] });
