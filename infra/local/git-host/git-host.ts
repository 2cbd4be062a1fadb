import type { ChildProcess } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { pushTokenKey, verifyPushToken } from "../../../shared/git-push-token.ts";
import type { Running } from "../contract.ts";
import { closeServer, listenOnLoopback } from "../gateway/loopback.ts";
import { runBackend } from "./backend.ts";
import { type GitRequest, parseGitRequest, passwordOf } from "./git-request.ts";
import { exists, isPrivate, repositoryFolder, writeGitConfig } from "./repositories.ts";

export interface GitHostOptions {
  /** 0: any free one. */
  port: number;
  /** Bare repositories at `{owner}/{name}.git`. */
  directory: string;
  /** The texts of the git secret with which the platform may have signed push tokens: the current one, the one before. */
  secrets: () => Promise<readonly string[]>;
  /** Milliseconds. */
  now?: () => number;
  /** Default 256 MiB in one request. */
  maxBodyBytes?: number;
}

/** Git smart HTTP at `{url}/{owner}/{name}.git`: anyone reads what is public, a signed token pushes to its one repository. */
export async function startGitHost(options: GitHostOptions): Promise<Running & { url: string }> {
  const configFile = await writeGitConfig(options.directory);
  const children = new Set<ChildProcess>();
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const wanted = parseGitRequest(request.method, request.url);
    if (wanted === null || !(await exists(repositoryFolder(options.directory, wanted.repository))))
      return refuse(response, 404);
    const refusal = await refusalOf(wanted, passwordOf(request.headers.authorization), options);
    if (refusal !== null) return refuse(response, refusal);
    const started = (child: ChildProcess) => {
      children.add(child);
      child.once("close", () => children.delete(child));
    };
    await runBackend(wanted, request, response, {
      directory: options.directory,
      configFile,
      maxBodyBytes: options.maxBodyBytes ?? 256 * 1024 * 1024,
      started,
    });
  }

  const port = await listenOnLoopback(server, options.port);
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      const ended = [...children].map((child) => new Promise((resolve) => child.once("close", resolve)));
      for (const child of children) child.kill("SIGKILL");
      await closeServer(server);
      await Promise.all(ended);
    },
  };
}

/** The status that refuses the request, or null. A private repository looks like none to who may not read it. */
async function refusalOf({ repository, service }: GitRequest, password: string | null, options: GitHostOptions) {
  const now = options.now ?? Date.now;
  const signers = password === null ? [] : await options.secrets();
  const isGranted = (signer: string) => verifyPushToken(pushTokenKey(signer), password ?? "", repository, now());
  if (signers.some(isGranted)) return null;
  if (await isPrivate(options.directory, repository))
    return password === null && service === "git-receive-pack" ? 401 : 404;
  if (service === "git-upload-pack") return null;
  return password === null ? 401 : 403;
}

const refusals: Record<number, string> = {
  401: "a push needs a token\n",
  403: "the token is not for this repository\n",
  404: "not found\n",
};

function refuse(response: ServerResponse, status: number): void {
  if (status === 401) response.setHeader("www-authenticate", 'Basic realm="git"');
  response.writeHead(status, { "content-type": "text/plain" }).end(refusals[status]);
}
