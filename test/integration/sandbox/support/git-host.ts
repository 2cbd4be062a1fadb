import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

const quiet = { PATH: process.env["PATH"], HOME: tmpdir(), GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" };

export function git(cwd: string, ...args: string[]): string {
  const identity = [
    "-c",
    "user.name=Test",
    "-c",
    "user.email=test@example.com",
    "-c",
    "init.defaultBranch=main",
    "-c",
    "protocol.file.allow=always",
  ];
  return execFileSync("git", [...identity, ...args], {
    cwd,
    env: quiet,
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1e9,
  })
    .toString()
    .trim();
}

/** Repositories served by the real `git http-backend`. */
export class GitHost {
  readonly folder = mkdtempSync(join(tmpdir(), "git-host-"));
  readonly requests: string[] = [];
  readonly authorizations = new Set<string>();
  /** Answer to the next pushes; null: really push. */
  refuseWith: number | null = null;
  redirectTo: string | null = null;
  /** Happens before each answer. */
  beforeAnswer: (() => Promise<void>) | null = null;
  #server: Server = createServer((request, response) => void this.#serve(request, response));

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    rmSync(this.folder, { recursive: true, force: true });
  }

  url(name: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}.git`;
  }

  /** A repository whose first commits are made by `fill` in a work tree. Its bare path. */
  create(name: string, fill: (worktree: string) => void): string {
    const worktree = mkdtempSync(join(tmpdir(), "git-fill-"));
    const bare = join(this.folder, `${name}.git`);
    git(worktree, "init", "-q");
    fill(worktree);
    git(this.folder, "clone", "-q", "--bare", worktree, bare);
    git(bare, "config", "http.receivepack", "true");
    rmSync(worktree, { recursive: true, force: true });
    return bare;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? "/", "http://host");
    this.requests.push(`${request.method} ${pathname.split(".git/")[1]}`);
    if (request.headers.authorization) this.authorizations.add(request.headers.authorization);
    if (this.redirectTo) return void response.writeHead(302, { location: `${this.redirectTo}${request.url}` }).end();
    const isPush = request.url?.includes("receive-pack") ?? false;
    if (isPush && this.refuseWith) return void response.writeHead(this.refuseWith).end();
    await this.beforeAnswer?.();
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const backend = spawn("git", ["http-backend"], {
      env: {
        ...quiet,
        GIT_PROJECT_ROOT: this.folder,
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        REMOTE_USER: "test",
      },
      stdio: ["pipe", "pipe", "ignore"],
    });
    backend.stdin.on("error", () => undefined);
    backend.stdin.end(request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body);
    const out: Buffer[] = [];
    for await (const part of backend.stdout) out.push(part as Buffer);
    answer(response, Buffer.concat(out));
  }
}

function answer(response: ServerResponse, cgi: Buffer): void {
  const end = cgi.indexOf("\r\n\r\n");
  const headers = cgi
    .subarray(0, end)
    .toString()
    .split("\r\n")
    .map((line) => line.split(": ") as [string, string]);
  const status = Number(headers.find(([name]) => name === "Status")?.[1].split(" ")[0] ?? 200);
  response.writeHead(status, Object.fromEntries(headers.filter(([name]) => name !== "Status")));
  response.end(cgi.subarray(end + 4));
}
