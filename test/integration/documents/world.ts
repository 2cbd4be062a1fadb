import { routes } from "../../../functions/http/routes.ts";
import { httpHandler } from "../../../functions/kit/http.ts";
import type { HttpDeps } from "../../../functions/http/deps.ts";
import { OidcProvider } from "../../../shared/config/env.ts";
import { rows } from "../../../shared/data/service.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import type { ErrorCode } from "../../../shared/protocol/error-code.ts";
import type { Role, Scope } from "../../../shared/protocol/permission.ts";
import { requireDocumented } from "../../support/answer-check.ts";
import { httpApiEvent } from "../../support/http-event.ts";
import { startOidcProvider, type StubProvider } from "../../support/oidc-provider.ts";
import { startHttpPlatform, type HttpAnswer, type HttpPlatform } from "../../support/http-platform.ts";

const random = (below: number) => Math.floor(Math.random() * below);

/** A request; it is the owner's where it names nobody else. */
export interface Ask {
  path: string;
  query?: string;
  body?: unknown;
  token?: string;
  headers?: Record<string, string>;
  /** What is different in the process that answers. */
  changed?: Partial<HttpDeps>;
}

type MakeAsk = (world: World) => Ask | Promise<Ask>;

/** How an operation is driven to its answers. Errors that any operation of its kind has are driven from its good request. */
export interface Example {
  /** The status that the good request gets. */
  status: number;
  ask: MakeAsk;
  /** Requests that get the operation's other good statuses. */
  also?: Record<number, MakeAsk>;
  /** Requests that get the good answer in its other content types. */
  as?: Record<string, MakeAsk>;
  /** Requests that get the operation's own errors. */
  fails?: Partial<Record<ErrorCode, MakeAsk>>;
  /** Why no request here can get this one. */
  beyond?: Partial<Record<ErrorCode, string>>;
}
export type Examples = Record<string, Example>;

export interface World {
  platform: HttpPlatform;
  /** Of the tenant whose things the examples use. */
  owner: TokenAnswer;
  /** A good access token of this person, whatever the clock says. */
  tokenOf(person: TokenAnswer): Promise<string>;
  /** An identity provider that the platform trusts under the name `acme`. */
  provider: StubProvider;
  /** Somebody new in the owner's tenant. */
  join(role: Role): Promise<TokenAnswer>;
  /** The text of a key of the owner that may do this and nothing else. */
  keyFor(scope: Scope): Promise<string>;
  call(method: string, ask: Ask, changed?: Partial<HttpDeps>): Promise<HttpAnswer>;
  /** As the owner; throws where the answer is no good one. */
  good(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

export async function startDocumentsWorld(): Promise<World> {
  const time = { now: () => Date.now() };
  const provider = await startOidcProvider({ now: () => time.now() });
  const acme = { name: "acme", issuer: provider.issuer, audience: provider.audience };
  const platform = await startHttpPlatform([OidcProvider.parse(acme)]);
  time.now = () => platform.clock.now();
  const owner = await platform.register();
  const { deps } = platform;
  const keys = new Map<Scope, Promise<string>>();

  const world: World = {
    platform,
    owner,
    provider,
    async tokenOf({ tenant, user }) {
      const key = { tenant_id: tenant.id, user_id: user.id };
      const member = await rows(deps.table).entities.user.get(key).go();
      const generation = member.data?.generation ?? 0;
      return (await deps.userTokens.mint({ tenantId: tenant.id, userId: user.id, generation })).token;
    },
    join: async (role) => platform.join({ ...owner, access_token: await world.tokenOf(owner) }, role),
    keyFor(scope) {
      const made = keys.get(scope) ?? makeKey(scope);
      keys.set(scope, made);
      return made;
    },
    async call(method, { path, query = "", body, token, headers = {}, changed: own }, changed = {}) {
      const handler = httpHandler(routes, () => ({ ...deps, ...own, ...changed }));
      const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
      const bearer: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const sourceIp = `198.51.${random(256)}.${random(256)}`;
      const event = {
        method,
        path,
        query,
        sourceIp,
        headers: { "content-type": "application/json", ...bearer, ...headers },
      };
      const answer = await handler(httpApiEvent({ ...event, ...(text === undefined ? {} : { body: text }) }));
      const found = {
        status: answer.statusCode ?? 0,
        headers: answer.headers as Record<string, string>,
        text: answer.body ?? "",
      };
      requireDocumented(method, path, found);
      const isJson = String(found.headers["content-type"]).includes("json") && found.text !== "";
      return { ...found, body: isJson ? (JSON.parse(found.text) as Record<string, unknown>) : {} };
    },
    async good(method, path, body) {
      const answer = await world.call(method, { path, body, token: await world.tokenOf(owner) });
      if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
      return answer.body;
    },
    stop: async () => {
      await Promise.all([platform.stop(), provider.stop()]);
    },
  };

  async function makeKey(scope: Scope): Promise<string> {
    const made = await world.good("POST", "/api-keys", { name: scope, scopes: [scope] });
    return String(made["key"]);
  }

  return world;
}
