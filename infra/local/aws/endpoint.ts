import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Authenticate, AwsService, Running } from "../contract.ts";
import { readBody } from "../gateway/loopback.ts";
import type { AccessKeys } from "../iam/access-keys.ts";
import { answerError } from "./answers.ts";
import { claimedScope, verifySignature } from "./signature.ts";

/** The largest body that any service here takes, in bytes. */
const maxBodyBytes = 512 * 1024 * 1024;

export interface AwsEndpointOptions {
  port: number;
  keys: AccessKeys;
  /** By the service name in the credential scope: `dynamodb`, `sqs`, `s3`. */
  services: Record<string, AwsService>;
  /** One line for each request that is refused before it reaches a service. */
  log: (line: string) => void;
  now: () => number;
}

export interface AwsEndpoint extends Running {
  url: string;
  port: number;
  authenticate: Authenticate;
}

export function createAuthenticate(keys: AccessKeys, now: () => number, log: (line: string) => void): Authenticate {
  return (request, body) => {
    const signed = { method: request.method ?? "GET", url: request.url ?? "/", headers: request.headers, body };
    const verification = verifySignature(signed, keys.secretOf, now());
    if (verification.kind === "valid") return keys.callerOf(verification.scope.accessKeyId);
    const service = claimedScope(signed)?.service ?? "unsigned";
    log(`aws ${service}: refused ${signed.method} ${signed.url.split("?")[0]}: ${verification.reason}`);
    return null;
  };
}

/** The one AWS endpoint of this machine: every signature is checked here, every action inside its service. */
export async function startAwsEndpoint(options: AwsEndpointOptions): Promise<AwsEndpoint> {
  const authenticate = createAuthenticate(options.keys, options.now, options.log);
  const server = createServer((request, response) => {
    serve(request, response, authenticate, options).catch((error: unknown) => {
      options.log(
        `aws: ${request.method} ${request.url?.split("?")[0]}: ${error instanceof Error ? error.stack : String(error)}`,
      );
      if (!response.headersSent) answerError(response, "aws", 500, "InternalFailure", "the local service failed");
      else response.destroy();
    });
  });
  server.keepAliveTimeout = 60_000;
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.once("close", () => sockets.delete(socket));
  });
  await listen(server, options.port);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    authenticate,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve());
  });
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  authenticate: Authenticate,
  options: AwsEndpointOptions,
): Promise<void> {
  const name =
    claimedScope({ url: request.url ?? "/", headers: request.headers })?.service ??
    (isObjectPath(request) ? "s3" : "aws");
  const body = await readBody(request, maxBodyBytes);
  if (body === null) return answerError(response, name, 413, "RequestEntityTooLarge", "the body is too large");
  // A browser asks S3 for permission before a presigned PUT, unsigned.
  const preflight = request.method === "OPTIONS" && name === "s3";
  const caller = preflight ? nobody : authenticate(request, body);
  if (caller === null) return refuse(response, name);
  const service = options.services[name];
  if (service === undefined)
    return answerError(
      response,
      name,
      400,
      "UnknownOperationException",
      `service ${name} does not exist on one machine`,
    );
  await service(request, response, body, caller);
}

const nobody = { roleId: "nobody", allows: () => false };

function isObjectPath(request: IncomingMessage): boolean {
  return request.method !== "POST" && (request.url ?? "/").split("?")[0] !== "/";
}

function refuse(response: ServerResponse, service: string): void {
  const code = service === "s3" ? "SignatureDoesNotMatch" : "UnrecognizedClientException";
  answerError(response, service, service === "s3" ? 403 : 400, code, "the signature of this request does not hold");
}
