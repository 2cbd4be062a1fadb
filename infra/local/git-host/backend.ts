import { type ChildProcess, spawn } from "node:child_process";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { GitRequest } from "./git-request.ts";
import { gitEnvironment } from "./repositories.ts";

const maxHeaderBytes = 16 * 1024;

/** Held for every repository here, whatever its own configuration says: history is only ever added to. */
const rules: Record<string, string> = {
  "receive.denyNonFastForwards": "true",
  "receive.denyDeletes": "true",
  "receive.fsckObjects": "true",
  "receive.maxInputSize": String(512 * 1024 * 1024),
  "core.hooksPath": "/dev/null",
  "uploadpack.allowFilter": "true",
};

function environmentOf(wanted: GitRequest, request: IncomingMessage, directory: string, configFile: string) {
  const entries = Object.entries({ ...rules, "http.receivepack": String(wanted.service === "git-receive-pack") });
  const environment: Record<string, string> = {
    ...gitEnvironment(configFile),
    GIT_PROJECT_ROOT: directory,
    GIT_HTTP_EXPORT_ALL: "1",
    PATH_INFO: `/${wanted.repository}.git/${wanted.path}`,
    REQUEST_METHOD: wanted.method,
    QUERY_STRING: wanted.path === "info/refs" ? `service=${wanted.service}` : "",
    CONTENT_TYPE: request.headers["content-type"] ?? "",
    REMOTE_ADDR: "127.0.0.1",
    GIT_CONFIG_COUNT: String(entries.length),
  };
  for (const [index, [key, value]] of entries.entries()) {
    environment[`GIT_CONFIG_KEY_${index}`] = key;
    environment[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  // http-backend takes a push only from someone; the token was checked before.
  if (wanted.service === "git-receive-pack") environment.REMOTE_USER = "platform";
  if (request.headers["content-encoding"] === "gzip") environment.HTTP_CONTENT_ENCODING = "gzip";
  const protocol = request.headers["git-protocol"];
  if (typeof protocol === "string" && /^[\w=:.-]{1,100}$/.test(protocol)) environment.GIT_PROTOCOL = protocol;
  return environment;
}

export interface BackendOptions {
  directory: string;
  configFile: string;
  maxBodyBytes: number;
  /** Told of each process, so that none outlives the host. */
  started(child: ChildProcess): void;
}

/** Runs `git http-backend` (CGI) for a request that was let in. */
export async function runBackend(
  wanted: GitRequest,
  request: IncomingMessage,
  response: ServerResponse,
  options: BackendOptions,
) {
  const env = environmentOf(wanted, request, options.directory, options.configFile);
  const child = spawn("git", ["http-backend"], { env, stdio: ["pipe", "pipe", "ignore"] });
  options.started(child);
  child.on("error", () => response.destroy());
  response.on("close", () => child.kill("SIGKILL"));
  const taken = pipeline(request, cap(options.maxBodyBytes), child.stdin).catch(() => {
    if (!response.headersSent) response.writeHead(413).end("too large\n");
    child.kill("SIGKILL");
  });
  // A backend that answers before it has read everything closes its input: that is no error of ours.
  await Promise.all([taken, pipeline(child.stdout, answerOf(response), response).catch(() => response.destroy())]);
}

function cap(maxBytes: number): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > maxBytes) done(new Error("too large"));
      else done(null, chunk);
    },
  });
}

/** Takes the CGI header off the front, sets status and headers from it, passes the rest on. */
function answerOf(response: ServerResponse): Transform {
  let head: Buffer | null = Buffer.alloc(0);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (head === null) return done(null, chunk);
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return done(head.length > maxHeaderBytes ? new Error("no header") : null);
      const body = head.subarray(end + 4);
      if (!response.headersSent) writeHead(response, head.toString("latin1", 0, end));
      head = null;
      done(null, body);
    },
  });
}

function writeHead(response: ServerResponse, text: string): void {
  let status = 200;
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    if (name.toLowerCase() === "status") status = Number.parseInt(value, 10);
    else if (colon > 0) response.setHeader(name, value);
  }
  response.writeHead(status);
}
