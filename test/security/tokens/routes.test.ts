import { routes } from "../../../functions/http/routes.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";

let platform: HttpPlatform;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const sessionId = "2b1f8a6e-9d53-4c19-8f1e-0a5a3c7d9e42";
const closed = routes.filter((route) => route.needs !== "public");
const concrete = (path: string) => path.replace("{session_id}", sessionId).replaceAll(/\{\w+\+?\}/g, "1");

/** Made from the table of routes, so that a new route is in it without anybody thinking of it. */
describe.each(closed.map((route) => [`${route.method} ${route.path}`, route] as const))("%s", (_name, route) => {
  const attempt = (headers: Record<string, string>, query = "") =>
    platform.call({ method: route.method, path: concrete(route.path), headers, query, body: "{}" });

  it("lets nobody in without an access token, wherever else it is put", async () => {
    const { access_token, refresh_token, tenant } = await platform.register();
    const sandbox = await platform.deps.sandboxTokens.mint({ tenantId: tenant.id, sessionId, epoch: 1 });
    const ticket = await platform.send("POST", "/ws-tickets", undefined, access_token);
    const strangers: [Record<string, string>, string?][] = [
      [{}],
      [{ authorization: "Bearer " }],
      [{ authorization: access_token }],
      [{ authorization: `Basic ${access_token}` }],
      [{ authorization: `Bearer ${refresh_token}` }],
      [{ authorization: `Bearer ${sandbox.token}` }],
      [{ authorization: `Bearer ${String(ticket.body["ticket"])}` }],
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
    "GET /health",
    "POST /auth/login",
    "POST /auth/logout",
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
  const ticket = await platform.send("POST", "/ws-tickets", undefined, tokens.access_token);
  const bootSecret = await platform.deps.bootSecrets.derive(sessionId, 1);
  await platform.send("POST", "/sandbox-tokens", {
    tenant_id: tokens.tenant.id,
    session_id: sessionId,
    epoch: 1,
    boot_secret: bootSecret,
  });
  await platform.call({ method: "GET", path: "/me", query: `token=${tokens.access_token}` });
  const logged = platform.lines.join("");
  expect(platform.lines).toHaveLength(7);
  const secrets = [
    tokens.access_token,
    tokens.refresh_token,
    refreshed.body["refresh_token"],
    refreshed.body["access_token"],
  ];
  for (const secret of [
    ...secrets,
    ticket.body["ticket"],
    bootSecret,
    "correct horse",
    "wrong password",
    tokens.user.email,
  ]) {
    expect(String(secret).length).toBeGreaterThan(8);
    expect(logged).not.toContain(String(secret));
  }
});
