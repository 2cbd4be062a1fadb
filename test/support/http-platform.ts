import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { gcmAnswerSeal } from "../../shared/adapters/answer-seal.ts";
import { signedCursors } from "../../shared/adapters/cursors-signed.ts";
import { hmacPreviewCapabilities } from "../../shared/adapters/preview-capabilities.ts";
import { plansOf } from "../../shared/config/plans.ts";
import { fallbackNames, uniqueBranch } from "../../shared/agent/names.ts";
import {
  fakeDoor,
  fakeGitHosts,
  fakePullRequests,
  fixedSecret,
  memoryObjects,
  memoryTenantSecrets,
  recordedJobs,
  recordedOutbound,
  recordedQueue,
  recordedSockets,
} from "./fakes.ts";
import type { HttpDeps } from "../../functions/http/deps.ts";
import { routes } from "../../functions/http/routes.ts";
import { httpHandler } from "../../functions/kit/http.ts";
import { derivedBootSecrets } from "../../shared/adapters/derived-keys.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { joseSandboxTokens, joseUserTokens, joseVerifier } from "../../shared/adapters/tokens-jose.ts";
import { limitRequests } from "../../shared/domain/quota/requests.ts";
import { gcmSecretBox } from "../../shared/adapters/secret-box-gcm.ts";
import { webhookAddresses } from "../../shared/adapters/webhook-sender-http.ts";
import { oidcProviders } from "../../shared/adapters/oidc-providers.ts";
import type { OidcProvider } from "../../shared/config/env.ts";
import { authenticate } from "../../shared/domain/account/authenticate.ts";
import { findApiKey } from "../../shared/domain/api-key/api-key.ts";
import { publishedKeys, storedKeys } from "../../shared/domain/connection/signing-key.ts";
import { jsonLog } from "../../shared/log.ts";
import type { TokenAnswer } from "../../shared/protocol/account.ts";
import type { Role } from "../../shared/protocol/permission.ts";
import { requireDocumented } from "./answer-check.ts";
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
      // A clock tells whole milliseconds.
      nowMs += Math.ceil(ms);
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

export const webhookSecret = "webhook-secret-of-the-tests-0123456789-0123456789-0123456789-01";
/** A resolver that knows every name; nothing in these tests calls one. */
const publicAddresses = async () => ["93.184.215.14"];

/** Of everybody whom `register` and `join` make. */
export const password = "correct horse battery";

/** Another network for each, since what one network may do is limited. */
function randomAddress(): string {
  return `198.51.${Math.floor(Math.random() * 256)}.${Math.floor(Math.random() * 256)}`;
}

function tokensOf(answer: HttpAnswer): TokenAnswer {
  if (answer.status !== 201) throw new Error(`signing up answered ${answer.status}: ${answer.text}`);
  return answer.body as unknown as TokenAnswer;
}

/** The HTTP process over a real table, put together as its composition root does, with a clock of our own. */
export async function startHttpPlatform(providers: OidcProvider[] = []) {
  const server = await startTestTable();
  const clock = testClock();
  const lines: string[] = [];
  const table = {
    client: DynamoDBDocumentClient.from(server.client, { marshallOptions: { removeUndefinedValues: true } }),
    name: server.tableName,
  };
  const signing = { issuer, clock, published: publishedKeys({ table, clock }) };
  const verifier = joseVerifier({ issuer, clock, keys: storedKeys(table) });
  const apiKeys = { find: (text: string) => findApiKey({ table, clock }, text) };
  const deps: HttpDeps = {
    table,
    clock,
    ids: randomIds,
    log: jsonLog({ process: "http", clock, write: (line) => lines.push(line) }),
    verifier,
    authenticate: (bearer) => authenticate({ table, verifier, apiKeys }, bearer),
    registration: "open",
    identityProviders: oidcProviders({ providers, clock }),
    userTokens: joseUserTokens({ ...signing, secret: async () => userSecret }),
    sandboxTokens: joseSandboxTokens({ ...signing, secret: async () => sandboxSecret }),
    bootSecrets: derivedBootSecrets(fixedSecret(sandboxSecret)),
    objects: memoryObjects(),
    queue: recordedQueue(),
    sockets: recordedSockets(),
    door: fakeDoor(),
    cursors: signedCursors(fixedSecret(userSecret)),
    seal: gcmAnswerSeal(fixedSecret(userSecret)),
    naming: { suggest: async () => null },
    gitHosts: fakeGitHosts(),
    tenantSecrets: memoryTenantSecrets(),
    pullRequests: fakePullRequests(),
    fallbackNames,
    uniqueBranch,
    capabilities: hmacPreviewCapabilities(fixedSecret(userSecret)),
    previewOrigin: "https://preview.example.test",
    plans: plansOf({ DEFAULT_PLAN: "unlimited" }),
    secretBox: gcmSecretBox(fixedSecret(webhookSecret)),
    webhookAddresses: webhookAddresses({ allowPrivate: false, addressesOf: publicAddresses }),
    outbound: recordedOutbound(),
    jobs: recordedJobs(),
    offer: { networkPolicies: ["open"], sizes: ["small", "standard", "large"] },
    limit: (caller) => limitRequests(deps, caller),
    facts: { version: "0.1.0", websocketUrl: "wss://sockets.example.test", model: "rehearsal" },
  };
  const handler = httpHandler(routes, () => deps);

  async function call(request: TestRequest): Promise<HttpAnswer> {
    const answer = await handler(httpApiEvent(request));
    const text = answer.body ?? "";
    const isJson = text !== "" && String(answer.headers?.["content-type"]).includes("json");
    const body = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
    const seen = { status: answer.statusCode ?? 0, headers: answer.headers as Record<string, string>, body, text };
    requireDocumented(request.method, request.path, seen);
    return seen;
  }

  async function send(
    method: string,
    path: string,
    body?: unknown,
    token?: string,
    sourceIp?: string,
  ): Promise<HttpAnswer> {
    const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const [rawPath = "", query = ""] = path.split("?");
    return call({
      method,
      path: rawPath,
      query,
      headers,
      ...(sourceIp === undefined ? {} : { sourceIp }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async function register(email = `${randomIds.uuid()}@example.com`): Promise<TokenAnswer> {
    const body = { email, password, tenant_name: "Acme" };
    return tokensOf(await send("POST", "/auth/register", body, undefined, randomAddress()));
  }

  /** A new person in the tenant of somebody who may invite. */
  async function join(host: TokenAnswer, role: Role, email = `${randomIds.uuid()}@example.com`): Promise<TokenAnswer> {
    const invite = await send("POST", "/members/invites", { role }, host.access_token);
    const body = { token: invite.body["token"], email, password };
    return tokensOf(await send("POST", "/auth/accept-invite", body, undefined, randomAddress()));
  }

  return { deps, clock, lines, client: server.client, call, send, register, join, stop: () => server.stop() };
}

export type HttpPlatform = Awaited<ReturnType<typeof startHttpPlatform>>;
