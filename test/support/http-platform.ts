import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { signedCursors } from "../../shared/adapters/cursors-signed.ts";
import { hmacPreviewCapabilities } from "../../shared/adapters/preview-capabilities.ts";
import { fallbackNames, uniqueBranch } from "../../shared/agent/names.ts";
import { fakeGitHosts, memoryObjects, recordedQueue, recordedSockets } from "./fakes.ts";
import type { HttpDeps } from "../../functions/http/deps.ts";
import { routes } from "../../functions/http/routes.ts";
import { httpHandler } from "../../functions/kit/http.ts";
import { derivedBootSecrets } from "../../shared/adapters/derived-keys.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { dynamoPublicKeys } from "../../shared/adapters/signing-keys-dynamodb.ts";
import { joseSandboxTokens, joseUserTokens, joseVerifier } from "../../shared/adapters/tokens-jose.ts";
import { publishedKeys } from "../../shared/domain/connection/signing-key.ts";
import { jsonLog } from "../../shared/log.ts";
import type { TokenAnswer } from "../../shared/protocol/account.ts";
import { httpApiEvent, type TestRequest } from "./http-event.ts";
import { startTestTable } from "./test-table.ts";

export const issuer = "https://api.example.test";
export const userSecret = "user-secret-of-the-tests-0123456789-0123456789-0123456789-012345";
export const sandboxSecret = "sandbox-secret-of-the-tests-0123456789-0123456789-0123456789-01";

/** Starts at a fixed moment and moves only when told. */
export function testClock(startMs = Date.UTC(2026, 10, 21, 9)) {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    sleep: async (ms: number) => {
      nowMs += ms;
    },
    advance(ms: number) {
      nowMs += ms;
    },
  };
}

export interface HttpAnswer {
  status: number;
  headers: Record<string, string>;
  // The tests look into bodies of every shape.
  body: Record<string, unknown>;
  text: string;
}

/** The HTTP process over a real table, put together as its composition root does, with a clock of our own. */
export async function startHttpPlatform() {
  const server = await startTestTable();
  const clock = testClock();
  const lines: string[] = [];
  const table = {
    client: DynamoDBDocumentClient.from(server.client, { marshallOptions: { removeUndefinedValues: true } }),
    name: server.tableName,
  };
  const signing = { issuer, clock, published: publishedKeys({ table, clock }) };
  const deps: HttpDeps = {
    table,
    clock,
    ids: randomIds,
    log: jsonLog({ process: "http", clock, write: (line) => lines.push(line) }),
    verifier: joseVerifier({ issuer, clock, keys: dynamoPublicKeys(server.client, server.tableName) }),
    userTokens: joseUserTokens({ ...signing, secret: async () => userSecret }),
    sandboxTokens: joseSandboxTokens({ ...signing, secret: async () => sandboxSecret }),
    bootSecrets: derivedBootSecrets(async () => sandboxSecret),
    objects: memoryObjects(),
    queue: recordedQueue(),
    sockets: recordedSockets(),
    cursors: signedCursors(async () => userSecret),
    naming: { suggest: async () => null },
    gitHosts: fakeGitHosts(),
    fallbackNames,
    uniqueBranch,
    capabilities: hmacPreviewCapabilities(async () => userSecret),
    previewOrigin: "https://preview.example.test",
    facts: { version: "0.1.0", websocketUrl: "wss://sockets.example.test", model: "rehearsal" },
  };
  const handler = httpHandler(routes, () => deps);

  async function call(request: TestRequest): Promise<HttpAnswer> {
    const answer = await handler(httpApiEvent(request));
    const text = answer.body ?? "";
    const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: answer.statusCode ?? 0, headers: answer.headers as Record<string, string>, body, text };
  }

  async function send(method: string, path: string, body?: unknown, token?: string): Promise<HttpAnswer> {
    const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const [rawPath = "", query = ""] = path.split("?");
    return call({
      method,
      path: rawPath,
      query,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async function register(email = `${randomIds.uuid()}@example.com`): Promise<TokenAnswer> {
    const answer = await send("POST", "/auth/register", {
      email,
      password: "correct horse battery",
      tenant_name: "Acme",
    });
    if (answer.status !== 201) throw new Error(`register answered ${answer.status}: ${answer.text}`);
    return answer.body as unknown as TokenAnswer;
  }

  return { deps, clock, lines, client: server.client, call, send, register, stop: () => server.stop() };
}

export type HttpPlatform = Awaited<ReturnType<typeof startHttpPlatform>>;
