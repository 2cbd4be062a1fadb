import { createServer, type IncomingMessage } from "node:http";
import { jwtVerify, type CryptoKey, type KeyObject } from "jose";
import { closeServer, listenOnLoopback } from "../../infra/local/gateway/loopback.ts";

interface Pull {
  number: number;
  branch: string;
  target: string;
  title: string;
  body: string;
  draft: boolean;
}

interface Reply {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Asked {
  method: string;
  path: string;
  authorization: string;
  body: Record<string, unknown>;
}

/** What the host answers to everything, instead of what it should. */
type Mood = ((asked: Asked) => Reply | null) | null;

export interface ApiHostOptions {
  /** Public half of the app's key. */
  appKey: CryptoKey | KeyObject;
  appId: string;
  now: () => number;
}

const token = "a-token-of-the-tenants";
const repository = "acme/shop";
const installation = 77;

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/**
 * A git host on loopback that behaves like GitHub and GitLab as their REST documents say: pull requests, merge requests,
 * installations of an app, and the refs of one private repository over smart HTTP.
 */
export async function startApiHost({ appKey, appId, now }: ApiHostOptions) {
  const asked: Asked[] = [];
  const pulls: Pull[] = [];
  /** Good installation tokens, with what they are for. */
  const minted = new Map<string, unknown>();
  const state: { mood: Mood; installed: boolean } = { mood: null, installed: true };

  const isApp = async (authorization: string): Promise<boolean> => {
    try {
      const options = { issuer: appId, algorithms: ["RS256"], currentDate: new Date(now()), maxTokenAge: 660 };
      const { payload } = await jwtVerify(authorization.replace("Bearer ", ""), appKey, options);
      return (payload.exp ?? 0) - (payload.iat ?? 0) <= 600;
    } catch {
      return false;
    }
  };
  const isUser = (authorization: string) =>
    authorization === `Bearer ${token}` || minted.has(authorization.replace("Bearer ", ""));

  function toGithub({ number, title, draft }: Pull) {
    return { number, title, draft, state: "open", html_url: `https://github.test/${repository}/pull/${number}` };
  }
  const toGitlab = ({ number, title }: Pull) => ({
    iid: number,
    title,
    web_url: `https://gitlab.test/${repository}/-/merge_requests/${number}`,
  });

  const unprocessable = (message: string): Reply => ({
    status: 422,
    body: { message: "Validation Failed", errors: [{ resource: "PullRequest", code: "custom", message }] },
  });

  function add(pull: Omit<Pull, "number">): Pull {
    const made = { ...pull, number: pulls.length + 1 };
    pulls.push(made);
    return made;
  }
  const openOne = (branch: unknown, target: unknown) =>
    pulls.find((pull) => pull.branch === branch && pull.target === target);

  function github({ method, path, body }: Asked): Reply {
    const query = new URL(path, "http://host").searchParams;
    if (method === "GET") {
      const found = openOne(query.get("head")?.split(":")[1], query.get("base"));
      return { status: 200, body: found ? [toGithub(found)] : [] };
    }
    const { title = "", body: text = "", head = "", base = "", draft = false } = body;
    if (openOne(head, base)) return unprocessable(`A pull request already exists for acme:${String(head)}.`);
    if (head === base) return unprocessable(`No commits between ${String(base)} and ${String(head)}`);
    const pull = {
      branch: String(head),
      target: String(base),
      title: String(title),
      body: String(text),
      draft: draft === true,
    };
    return { status: 201, body: toGithub(add(pull)) };
  }

  function gitlab({ method, path, body }: Asked): Reply {
    const query = new URL(path, "http://host").searchParams;
    if (method === "GET") {
      const found = openOne(query.get("source_branch"), query.get("target_branch"));
      return { status: 200, body: found ? [toGitlab(found)] : [] };
    }
    const { title = "", description = "", source_branch = "", target_branch = "" } = body;
    const there = openOne(source_branch, target_branch);
    if (there) {
      const message = [`Another open merge request already exists for this source branch: !${there.number}`];
      return { status: 409, body: { message } };
    }
    if (source_branch === target_branch)
      return { status: 400, body: { message: { branch_conflict: ["You can't use same project/branch"] } } };
    const draft = String(title).startsWith("Draft: ");
    const pull = {
      branch: String(source_branch),
      target: String(target_branch),
      title: String(title),
      body: String(description),
      draft,
    };
    return { status: 201, body: toGitlab(add(pull)) };
  }

  async function answer(request: Asked): Promise<Reply> {
    const { method, path, authorization, body } = request;
    const moody = state.mood?.(request);
    if (moody) return moody;
    if (path.startsWith(`/${repository}.git/info/refs`)) return refs(authorization);
    if (path === `/api/repos/${repository}/installation`) {
      if (!(await isApp(authorization)))
        return { status: 401, body: { message: "A JSON web token could not be decoded" } };
      return state.installed
        ? { status: 200, body: { id: installation } }
        : { status: 404, body: { message: "Not Found" } };
    }
    if (method === "POST" && path === `/api/app/installations/${installation}/access_tokens`) {
      if (!(await isApp(authorization))) return { status: 401, body: { message: "Bad credentials" } };
      const made = `ghs_${minted.size + 1}`;
      minted.set(made, body);
      return { status: 201, body: { token: made, expires_at: new Date(now() + 3_600_000).toISOString() } };
    }
    if (!isUser(authorization)) return { status: 401, body: { message: "Bad credentials" } };
    if (path.startsWith(`/api/repos/${repository}/pulls`)) return github(request);
    if (path.startsWith(`/api/projects/${encodeURIComponent(repository)}/merge_requests`)) return gitlab(request);
    return { status: 404, body: { message: "Not Found" } };
  }

  /** Of a private repository: who is not known finds none. */
  function refs(authorization: string): Reply {
    const given = Buffer.from(authorization.replace("Basic ", ""), "base64").toString().split(":")[1] ?? "";
    if (given !== token && !minted.has(given)) return { status: authorization === "" ? 404 : 401 };
    const line = (text: string) => (text.length + 4).toString(16).padStart(4, "0") + text;
    const id = "a".repeat(40);
    const capabilities = "symref=HEAD:refs/heads/main";
    const body = `${line("# service=git-upload-pack\n")}0000${line(`${id} HEAD\0${capabilities}\n`)}${line(`${id} refs/heads/main\n`)}0000`;
    return { status: 200, body, headers: { "content-type": "application/x-git-upload-pack-advertisement" } };
  }

  const server = createServer(async (request, response) => {
    const { method = "", url = "", headers } = request;
    const one = { method, path: url, authorization: headers.authorization ?? "", body: await bodyOf(request) };
    asked.push(one);
    const { status, body, headers: more = {} } = await answer(one);
    const text = typeof body === "string" ? body : JSON.stringify(body ?? {});
    response.writeHead(status, { "content-type": "application/json", ...more }).end(text);
  });
  const port = await listenOnLoopback(server, 0);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    api: `${url}/api`,
    repositoryUrl: `${url}/${repository}.git`,
    token,
    asked,
    pulls,
    minted,
    state,
    stop: () => closeServer(server),
  };
}

export type ApiHost = Awaited<ReturnType<typeof startApiHost>>;
