import { OidcProvider } from "../../../shared/config/env.ts";
import { signInWithProvider } from "../../../shared/domain/account/identity.ts";
import { TokenAnswer } from "../../../shared/protocol/account.ts";
import { password, startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { startOidcProvider, type StubProvider } from "../../support/oidc-provider.ts";
import { pausedTable } from "../../support/paused-table.ts";

let provider: StubProvider;
let platform: HttpPlatform;
let people = 0;
// The provider reads the platform's clock.
beforeAll(async () => {
  provider = await startOidcProvider({ now: () => platform.clock.now() });
  const acme = { name: "acme", issuer: provider.issuer, audience: provider.audience };
  platform = await startHttpPlatform([OidcProvider.parse(acme)]);
});
afterAll(() => Promise.all([platform.stop(), provider.stop()]));

const newEmail = () => `provided-${(people += 1)}@example.com`;
const address = () => `198.18.3.${(people += 1) % 250}`;
const signIn = (id_token: string, more: Record<string, string> = {}) =>
  platform.send("POST", "/auth/oidc", { provider: "acme", id_token, ...more }, undefined, address());
const link = (who: TokenAnswer, id_token: string, current_password = password) => {
  const body = { provider: "acme", id_token, current_password };
  return platform.send("POST", "/auth/oidc/link", body, who.access_token, address());
};
const changePassword = (who: TokenAnswer, new_password: string) =>
  platform.send("POST", "/auth/password", { current_password: password, new_password }, who.access_token, address());
const inviteBy = async (who: TokenAnswer, more: Record<string, string> = {}) =>
  String(
    (await platform.send("POST", "/members/invites", { role: "viewer", ...more }, who.access_token)).body["token"],
  );

describe("the first time", () => {
  it("makes an account and a tenant, and leads there from then on, whatever the email becomes", async () => {
    const email = newEmail();
    const first = await signIn(await provider.token(email, "sub-1"), { tenant_name: "Provided" });
    expect(first.status).toBe(200);
    const tokens = TokenAnswer.parse(first.body);
    expect(tokens).toMatchObject({ user: { email, role: "owner" }, tenant: { name: "Provided" } });
    expect((await platform.send("GET", "/me", undefined, tokens.access_token)).status).toBe(200);
    platform.clock.advance(1000);
    const again = await signIn(await provider.token("moved@example.com", "sub-1"));
    expect(TokenAnswer.parse(again.body)).toMatchObject({ user: tokens.user, tenant: tokens.tenant });
  });

  it("names the tenant after the person where nothing else is said", async () => {
    const answer = await signIn(await provider.token("quinn.q@example.com"));
    expect(answer.body["tenant"]).toMatchObject({ name: "quinn.q" });
  });

  it("joins by an invite, and only as whom it names", async () => {
    const host = await platform.register();
    const email = newEmail();
    const invite_token = await inviteBy(host, { email });
    expect(await signIn(await provider.token(newEmail()), { invite_token })).toMatchObject({ status: 404 });
    const joined = await signIn(await provider.token(email), { invite_token });
    expect(TokenAnswer.parse(joined.body)).toMatchObject({ tenant: host.tenant, user: { email, role: "viewer" } });
    const other = await platform.register();
    platform.clock.advance(1000);
    const more = await signIn(await provider.token(email), { invite_token: await inviteBy(other) });
    expect(TokenAnswer.parse(more.body)).toMatchObject({ tenant: other.tenant });
  });

  it("lets nobody in without an invite where registration is closed", async () => {
    const closed = { ...platform.deps, registration: "invite_only" as const };
    const id_token = await provider.token(newEmail());
    const request = { provider: "acme", id_token, tenant_name: "Mine" };
    await expect(signInWithProvider(closed, request, address())).rejects.toMatchObject({ code: "forbidden" });
    const host = await platform.register();
    const { tenant } = await signInWithProvider(closed, { ...request, invite_token: await inviteBy(host) }, address());
    expect(tenant).toEqual(host.tenant);
  });

  it("happens once, of many at the same time", async () => {
    const email = newEmail();
    const tokens = await Promise.all(
      [1, 2, 3, 4].map((n) => provider.sign({ ...provider.claims(email), nonce: String(n) })),
    );
    const answers = await Promise.all(tokens.map((token) => signIn(token)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map(({ body }) => TokenAnswer.parse(body).tenant.id)).size).toBe(1);
  });
});

describe("an ID token", () => {
  it("signs in once, also of many at the same time", async () => {
    const token = await provider.token(newEmail());
    const answers = await Promise.all([1, 2, 3].map(() => signIn(token)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 401, 401]);
    expect(await signIn(token)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  });

  it("that is not good says no more than that", async () => {
    const claims = provider.claims(newEmail());
    const answers = [
      await signIn(await provider.sign({ ...claims, aud: "their-client" })),
      await signIn(await provider.sign({ ...claims, exp: 1 })),
      await signIn("garbage"),
    ];
    expect(new Set(answers.map(({ body }) => JSON.stringify({ ...body, request_id: "" }))).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    expect(platform.lines.join("")).not.toContain("garbage");
  });
});

describe("an account that has a password", () => {
  it("is never taken over by a provider that has its email, nor by who registered it first", async () => {
    const person = await platform.register(newEmail());
    const answer = await signIn(await provider.token(person.user.email));
    expect(answer).toMatchObject({ status: 409, body: { code: "email_taken" } });
    expect(answer.body["access_token"]).toBeUndefined();
  });

  it("is linked by its password alone, and signed in to by the provider after", async () => {
    const person = await platform.register(newEmail());
    const token = await provider.token(person.user.email);
    expect((await signIn(token)).status).toBe(409);
    expect(await link(person, token, "not the password")).toMatchObject({
      status: 401,
      body: { code: "invalid_credentials" },
    });
    expect((await signIn(token)).status).toBe(409);
    expect((await link(person, token)).status).toBe(204);
    expect((await link(person, token)).status).toBe(401);
    platform.clock.advance(1000);
    const signedIn = await signIn(await provider.token(person.user.email));
    expect(TokenAnswer.parse(signedIn.body)).toMatchObject({ user: person.user, tenant: person.tenant });
  });

  it("loses the link with that password, and gets it back by the new one", async () => {
    const person = await platform.register(newEmail());
    const token = async () => {
      platform.clock.advance(1000);
      return provider.token(person.user.email);
    };
    expect((await link(person, await token())).status).toBe(204);
    const fresh = TokenAnswer.parse((await changePassword(person, "a new one, long enough")).body);
    expect(await signIn(await token())).toMatchObject({ status: 409, body: { code: "conflict" } });
    expect((await link(fresh, await token(), "a new one, long enough")).status).toBe(204);
    expect((await signIn(await token())).status).toBe(200);
  });

  it("does not take an identity that is another account's", async () => {
    const [first, second] = [await platform.register(newEmail()), await platform.register(newEmail())];
    expect((await link(first, await provider.token("shared@example.com"))).status).toBe(204);
    platform.clock.advance(1000);
    const answer = await link(second, await provider.token("shared@example.com"));
    expect(answer).toMatchObject({ status: 409, body: { code: "conflict" } });
  });

  it("is not signed in to by a link that ends in between", async () => {
    const person = await platform.register(newEmail());
    await link(person, await provider.token(person.user.email));
    platform.clock.advance(1000);
    const id_token = await provider.token(person.user.email);
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", () =>
      changePassword(person, "a new one, long enough"),
    );
    const signing = signInWithProvider({ ...platform.deps, table }, { provider: "acme", id_token }, address());
    await expect(signing).rejects.toMatchObject({ code: "conflict" });
  });
});

describe("an account that a provider made", () => {
  it("has no password that could be guessed, changed or linked with", async () => {
    const email = newEmail();
    const tokens = TokenAnswer.parse((await signIn(await provider.token(email))).body);
    const login = await platform.send("POST", "/auth/login", { email, password: "undefined" });
    expect(login).toMatchObject({ status: 401, body: { code: "invalid_credentials" } });
    expect(await changePassword(tokens, "a new one, long enough")).toMatchObject({ status: 401 });
    platform.clock.advance(1000);
    expect(await link(tokens, await provider.token(email, "another-subject"))).toMatchObject({ status: 401 });
  });

  it("is logged out everywhere like any other", async () => {
    const tokens = TokenAnswer.parse((await signIn(await provider.token(newEmail()))).body);
    expect((await platform.send("POST", "/auth/logout-all", undefined, tokens.access_token)).status).toBe(204);
    expect((await platform.send("GET", "/me", undefined, tokens.access_token)).status).toBe(401);
  });
});

it("a provider that is not configured is not found; one that is down is not available", async () => {
  const id_token = await provider.token(newEmail());
  const unknown = await platform.send("POST", "/auth/oidc", { provider: "evil", id_token });
  expect(unknown).toMatchObject({ status: 404, body: { code: "not_found" } });
  platform.clock.advance(11 * 60_000);
  provider.interceptWith((_path, response) => {
    response.writeHead(500).end();
    return true;
  });
  const down = await signIn(await provider.token(newEmail()));
  expect(down).toMatchObject({ status: 503, body: { code: "identity_provider_unavailable" } });
  provider.interceptWith(null);
});

it("an ID token of eleven minutes ago signs nobody in", async () => {
  const claims = provider.claims(newEmail());
  const token = await provider.sign({ ...claims, exp: Number(claims["iat"]) + 86_400 });
  platform.clock.advance(11 * 60_000);
  expect(await signIn(token)).toMatchObject({ status: 401 });
});
