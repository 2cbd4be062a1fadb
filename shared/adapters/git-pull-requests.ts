import * as z from "zod";
import type { GitHost } from "../config/env.ts";
import { AppError } from "../errors.ts";
import type { PushCredential } from "../ports/git-hosts.ts";
import type { PullRequest, PullRequests, PullRequestWish } from "../ports/pull-requests.ts";
import { mintAccess, type GitAccessOptions } from "./git-access.ts";
import { askApi, type ApiAnswer, type ApiRequest } from "./git-api.ts";
import { CredentialRefused, githubHeaders } from "./git-github-app.ts";
import { apiOf, kindOf } from "./git-host-kind.ts";
import { type AddressesOf, systemAddresses } from "./guarded-dial.ts";

interface Options extends Omit<GitAccessOptions, "addressesOf"> {
  hosts: GitHost[];
  /** All addresses of a name. Default: this machine's resolver. */
  addressesOf?: AddressesOf;
  deadlineMs?: number;
}

type Ask = (request: Pick<ApiRequest, "method" | "body"> & { path: string }) => Promise<ApiAnswer>;

interface Ways {
  headers: Record<string, string>;
  /** The open one; null where there is none. */
  find(ask: Ask, wish: PullRequestWish, repository: string): Promise<Omit<PullRequest, "created"> | null>;
  make(ask: Ask, wish: PullRequestWish, repository: string): Promise<ApiAnswer>;
  made(json: unknown): Omit<PullRequest, "created">;
}

const query = (values: Record<string, string>) => new URLSearchParams(values).toString();

const GithubPull = z.object({ number: z.number().int(), html_url: z.url() });
const toPull = ({ number, html_url: url }: z.infer<typeof GithubPull>) => ({ number, url });

const github: Ways = {
  headers: githubHeaders,
  async find(ask, { branch, targetBranch }, repository) {
    const [owner = ""] = repository.split("/");
    const which = query({ state: "open", head: `${owner}:${branch}`, base: targetBranch, per_page: "1" });
    const { json } = await ask({ method: "GET", path: `/repos/${repository}/pulls?${which}` });
    const [pull] = z.array(GithubPull).parse(json);
    return pull ? toPull(pull) : null;
  },
  make: (ask, { branch, targetBranch, title, body, draft }, repository) =>
    ask({
      method: "POST",
      path: `/repos/${repository}/pulls`,
      body: { title, body, draft, head: branch, base: targetBranch },
    }),
  made: (json) => toPull(GithubPull.parse(json)),
};

const GitlabMerge = z.object({ iid: z.number().int(), web_url: z.url() });
const toMerge = ({ iid: number, web_url: url }: z.infer<typeof GitlabMerge>) => ({ number, url });

const gitlab: Ways = {
  headers: {},
  async find(ask, { branch, targetBranch }, repository) {
    const which = query({ state: "opened", source_branch: branch, target_branch: targetBranch, per_page: "1" });
    const path = `/projects/${encodeURIComponent(repository)}/merge_requests?${which}`;
    const { json } = await ask({ method: "GET", path });
    const [merge] = z.array(GitlabMerge).parse(json);
    return merge ? toMerge(merge) : null;
  },
  make: (ask, { branch, targetBranch, title, body, draft }, repository) =>
    ask({
      method: "POST",
      path: `/projects/${encodeURIComponent(repository)}/merge_requests`,
      body: {
        source_branch: branch,
        target_branch: targetBranch,
        title: draft ? `Draft: ${title}` : title,
        description: body,
      },
    }),
  made: (json) => toMerge(GitlabMerge.parse(json)),
};

const waysOf = (host: GitHost): Ways | null => ({ github, gitlab, bitbucket: null, plain: null })[kindOf(host)];

/** What the host says to people, from any of its shapes; never more than a line. */
function messageOf(json: unknown): string {
  const { message, errors = [] } = z
    .object({ message: z.unknown().optional(), errors: z.array(z.unknown()).optional() })
    .catch({})
    .parse(json);
  const details = errors.map((error) =>
    typeof error === "object" && error && "message" in error ? error.message : error,
  );
  const texts = [message, ...details].flat().filter((text) => typeof text === "string");
  return (
    texts
      .join(": ")
      .replaceAll(/\p{Cc}+/gu, " ")
      .slice(0, 300) || "it gave no reason"
  );
}

const exhausted = ({ status, headers }: ApiAnswer) =>
  status === 429 ||
  (status === 403 && (headers["x-ratelimit-remaining"] === "0" || headers["retry-after"] !== undefined));

function retryAfter({ headers }: ApiAnswer, nowMs: number): number {
  const seconds = Number(headers["retry-after"]);
  const reset = Number(headers["x-ratelimit-reset"] ?? headers["ratelimit-reset"]) - Math.floor(nowMs / 1000);
  const found = [seconds, reset].find((each) => Number.isFinite(each) && each > 0) ?? 60;
  return Math.min(Math.ceil(found), 3600);
}

/** Git hosts' pull requests over their REST APIs, with the tenant's own credential. */
export function httpPullRequests(options: Options): PullRequests {
  const { hosts, addressesOf = systemAddresses, deadlineMs = 8_000, credentials, clock } = options;

  async function accessTo(host: GitHost, url: URL, tenantId: string): Promise<PushCredential> {
    const permissions = { contents: "read", pull_requests: "write" } as const;
    const access = await mintAccess({ ...options, addressesOf }, { host, url, tenantId, permissions });
    if (!access) throw new AppError("git_credential_missing", `There is no credential for ${host.name}`);
    return access;
  }

  async function refused(host: GitHost, tenantId: string): Promise<AppError> {
    await credentials?.refused(tenantId, host.name);
    return new AppError("git_credential_refused", `${host.name} refused the credential`);
  }

  function asking(host: GitHost, api: string, { headers }: Ways, tenantId: string, password: string): Ask {
    const through = { allowPrivate: host.allowPrivate, addressesOf, deadlineMs };
    return async ({ method, path, body }) => {
      const authorization = `Bearer ${password}`;
      const answer = await askApi({ method, url: new URL(`${api}${path}`), authorization, headers, body }, through);
      if (exhausted(answer)) {
        const retryAfterSeconds = retryAfter(answer, clock.now());
        throw new AppError("git_host_unavailable", `${host.name} allows no more requests for now`, {
          retryAfterSeconds,
        });
      }
      // Who may not see a private repository is told that it does not exist.
      if ([401, 403, 404].includes(answer.status)) throw await refused(host, tenantId);
      if (answer.status >= 500) throw new AppError("git_host_unavailable", `${host.name} answered ${answer.status}`);
      return answer;
    };
  }

  async function openOn(host: GitHost, wish: PullRequestWish): Promise<PullRequest> {
    const url = new URL(wish.url);
    const [ways, api] = [waysOf(host), apiOf(host)];
    if (!ways || api === null) throw new AppError("git_host_unsupported", `${host.name} has no pull requests here`);
    const repository = url.pathname.replace(/^\//, "").replace(/\.git$/, "");
    const { password } = await accessTo(host, url, wish.tenantId);
    const ask = asking(host, api, ways, wish.tenantId, password);
    const before = await ways.find(ask, wish, repository);
    if (before) return { ...before, created: false };
    const answer = await ways.make(ask, wish, repository);
    if (answer.status === 201) return { ...ways.made(answer.json), created: true };
    // Somebody was quicker: hosts say so in many ways.
    const since = await ways.find(ask, wish, repository);
    if (since) return { ...since, created: false };
    throw new AppError("git_host_refused", `${host.name} refused the pull request: ${messageOf(answer.json)}`);
  }

  return {
    async open(wish) {
      const url = URL.canParse(wish.url) ? new URL(wish.url) : null;
      const host = hosts.find((one) => url !== null && new URL(one.origin).origin === url.origin);
      if (!host) throw new AppError("git_host_unsupported");
      try {
        return await openOn(host, wish);
      } catch (error) {
        if (error instanceof AppError) throw error;
        if (error instanceof CredentialRefused)
          throw new AppError("git_credential_refused", `${host.name} refused the credential`);
        throw new AppError("git_host_unavailable", `${host.name} did not answer as it should`, { cause: error });
      }
    },
  };
}
