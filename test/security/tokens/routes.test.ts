import { routes } from "../../../functions/http/routes.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { Scope } from "../../../shared/protocol/permission.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";
import { socketDriver } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const { found } = people(() => platform);
const { keyOf, ticketOf } = socketDriver(() => platform);
let owner: TokenAnswer;
let sandboxToken: string;
let ticket: string;
let apiKey: string;
let revokedKey: string;
let endedKey: string;

beforeAll(async () => {
  owner = await found();
  ticket = await ticketOf(owner);
  const of = { tenantId: owner.tenant.id, sessionId, epoch: 1 };
  sandboxToken = (await platform.deps.sandboxTokens.mint(of)).token;
  apiKey = (await keyOf(owner, Scope.options)).key;
  const revoked = await keyOf(owner, Scope.options);
  await platform.send("DELETE", `/api-keys/${revoked.id}`, undefined, owner.access_token);
  revokedKey = revoked.key;
  const expires_at = new Date(platform.clock.now() + 1000).toISOString();
  endedKey = (await keyOf(owner, Scope.options, { expires_at })).key;
  platform.clock.advance(1000);
});

const sessionId = "2b1f8a6e-9d53-4c19-8f1e-0a5a3c7d9e42";
const closed = routes.filter((route) => route.needs !== "public");
const concrete = (path: string) => path.replace("{session_id}", sessionId).replaceAll(/\{\w+\+?\}/g, "1");

/** Made from the table of routes, so that a new route is in it without anybody thinking of it. */
describe.each(closed.map((route) => [`${route.method} ${route.path}`, route] as const))("%s", (_name, route) => {
  const attempt = (headers: Record<string, string>, query = "") =>
    platform.call({ method: route.method, path: concrete(route.path), headers, query, body: "{}" });

  it("lets nobody in without an access token or API key, wherever else it is put", async () => {
    const { access_token, refresh_token } = owner;
    const strangers: [Record<string, string>, string?][] = [
      [{}],
      [{ authorization: "Bearer " }],
      [{ authorization: access_token }],
      [{ authorization: `Basic ${access_token}` }],
      [{ authorization: `Bearer ${refresh_token}` }],
      [{ authorization: `Bearer ${sandboxToken}` }],
      [{ authorization: `Bearer ${ticket}` }],
      [{ authorization: `Bearer ${revokedKey}` }],
      [{ authorization: `Bearer ${endedKey}` }],
      [{ authorization: `Bearer ${apiKey.slice(0, -1)}${apiKey.endsWith("A") ? "B" : "A"}` }],
      [{ authorization: apiKey }],
      [{ authorization: `Basic ${Buffer.from(`${apiKey}:`).toString("base64")}` }],
      [{ "x-api-key": apiKey }],
      [{ cookie: `api_key=${apiKey}` }],
      [{}, `api_key=${apiKey}`],
      [{ cookie: `access_token=${access_token}` }],
      [{ "x-access-token": access_token }],
      [{}, `access_token=${access_token}`],
    ];
    const answers = await Promise.all(strangers.map(([headers, query]) => attempt(headers, query)));
    expect(answers.map((answer) => [answer.status, answer.body["code"]])).toEqual(
      answers.map(() => [401, "unauthenticated"]),
    );
  });
});

it("only these are open to everybody", () => {
  const open = routes.filter((route) => route.needs === "public").map((route) => `${route.method} ${route.path}`);
  expect(open.toSorted()).toEqual([
    "GET /.well-known/jwks.json",
    "GET /asyncapi.json",
    "GET /health",
    "GET /openapi.json",
    "POST /auth/accept-invite",
    "POST /auth/login",
    "POST /auth/logout",
    "POST /auth/oidc",
    "POST /auth/refresh",
    "POST /auth/register",
    "POST /sandbox-tokens",
  ]);
});

it("no log line of any of it holds a token, a password or a ticket", async () => {
  platform.lines.length = 0;
  const tokens = await platform.register();
  await platform.send("POST", "/auth/login", { email: tokens.user.email, password: "a wrong password" });
  const refreshed = await platform.send("POST", "/auth/refresh", { refresh_token: tokens.refresh_token });
  await platform.send("POST", "/auth/refresh", { refresh_token: tokens.refresh_token });
  const made = await platform.send("POST", "/ws-tickets", undefined, tokens.access_token);
  const { key } = await keyOf(tokens, ["session.read"]);
  await platform.send("GET", "/sessions", undefined, key);
  await platform.send("GET", "/sessions", undefined, key.slice(0, -1));
  const bootSecret = await platform.deps.bootSecrets.derive(sessionId, 1);
  await platform.send("POST", "/sandbox-tokens", {
    tenant_id: tokens.tenant.id,
    session_id: sessionId,
    epoch: 1,
    boot_secret: bootSecret,
  });
  await platform.call({ method: "GET", path: "/me", query: `token=${tokens.access_token}` });
  const logged = platform.lines.join("");
  expect(platform.lines).toHaveLength(10);
  const secrets = [
    tokens.access_token,
    tokens.refresh_token,
    refreshed.body["refresh_token"],
    refreshed.body["access_token"],
  ];
  for (const secret of [
    ...secrets,
    made.body["ticket"],
    key.slice(-43),
    bootSecret,
    "correct horse",
    "wrong password",
    tokens.user.email,
  ]) {
    expect(String(secret).length).toBeGreaterThan(8);
    expect(logged).not.toContain(String(secret));
  }
});
