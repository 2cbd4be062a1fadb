import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import { rows } from "../../../shared/data/service.ts";
import { register } from "../../../shared/domain/account/account.ts";
import { MeAnswer, TokenAnswer } from "../../../shared/protocol/account.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";

let platform: HttpPlatform;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const password = "correct horse battery";
const login = (email: string, secret = password) => platform.send("POST", "/auth/login", { email, password: secret });
const refresh = (refresh_token: string) => platform.send("POST", "/auth/refresh", { refresh_token });

async function storedItems(): Promise<Record<string, unknown>[]> {
  const { Items = [] } = await platform.deps.table.client.send(
    new ScanCommand({ TableName: platform.deps.table.name }),
  );
  return Items;
}

describe("register", () => {
  it("makes a tenant with its owner and signs them in", async () => {
    const answer = await platform.send("POST", "/auth/register", {
      email: "Ada@Example.com",
      password,
      tenant_name: " Acme ",
    });
    expect(answer.status).toBe(201);
    const tokens = TokenAnswer.parse(answer.body);
    expect(tokens).toMatchObject({
      expires_in: 900,
      user: { email: "ada@example.com", role: "owner" },
      tenant: { name: "Acme" },
    });
    const me = await platform.send("GET", "/me", undefined, tokens.access_token);
    expect(me.status).toBe(200);
    const { user, tenant } = tokens;
    expect(MeAnswer.parse(me.body)).toEqual({ user, tenant, tenants: [{ ...tenant, role: "owner" }] });
  });

  it("refuses an email that is taken, in any case", async () => {
    await platform.register("bob@example.com");
    const again = await platform.send("POST", "/auth/register", {
      email: "BOB@example.com",
      password,
      tenant_name: "Other",
    });
    expect(again).toMatchObject({ status: 409, body: { code: "email_taken" } });
  });

  it("lets one of many at once win, and leaves nothing of the others", async () => {
    const before = (await storedItems()).length;
    const request = { email: "race@example.com", password, tenant_name: "Race" };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => platform.send("POST", "/auth/register", request)),
    );
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
    expect(answers.filter((answer) => answer.body["code"] === "email_taken")).toHaveLength(7);
    expect((await storedItems()).length - before).toBe(4);
  });

  it("is nobody's where registration is closed, before anything is looked up", async () => {
    await platform.register("taken@example.com");
    const closed = { ...platform.deps, registration: "invite_only" as const };
    for (const email of ["taken@example.com", "free@example.com"]) {
      const registering = register(closed, { email, password, tenant_name: "A" }, "198.51.100.1");
      await expect(registering).rejects.toMatchObject({ code: "forbidden" });
    }
  });

  it.each([
    ["no at sign", { email: "nobody", password, tenant_name: "A" }, "body.email"],
    ["a short password", { email: "a@example.com", password: "short", tenant_name: "A" }, "body.password"],
    ["an empty tenant", { email: "a@example.com", password, tenant_name: "  " }, "body.tenant_name"],
    ["a field too many", { email: "a@example.com", password, tenant_name: "A", role: "owner" }, "body"],
  ])("refuses %s and says where", async (_name, body, path) => {
    const answer = await platform.send("POST", "/auth/register", body);
    expect(answer).toMatchObject({ status: 422, body: { code: "validation_failed", errors: [{ path }] } });
  });

  it("stores neither the password nor a token as it is", async () => {
    const tokens = await platform.register();
    const stored = JSON.stringify(await storedItems());
    expect(stored).not.toContain(password);
    expect(stored).not.toContain(tokens.refresh_token);
    expect(stored).not.toContain(tokens.refresh_token.slice(0, 32));
    expect(stored).not.toContain(tokens.refresh_token.slice(32));
    expect(stored).not.toContain(tokens.access_token.split(".")[2]);
    expect(stored).toMatch(/scrypt\$32768\$8\$1\$/);
  });
});

describe("login", () => {
  it("answers like register", async () => {
    const registered = await platform.register("carol@example.com");
    const answer = await login("Carol@example.com");
    expect(answer.status).toBe(200);
    expect(TokenAnswer.parse(answer.body)).toMatchObject({ user: registered.user, tenant: registered.tenant });
    expect(answer.body["refresh_token"]).not.toBe(registered.refresh_token);
  });

  it("says the same for a wrong password and an unknown email", async () => {
    await platform.register("dave@example.com");
    const [wrong, unknown] = await Promise.all([
      login("dave@example.com", "wrong password"),
      login("nobody@example.com"),
    ]);
    expect(wrong).toMatchObject({ status: 401, body: { code: "invalid_credentials" } });
    expect(unknown.status).toBe(wrong.status);
    expect({ ...unknown.body, request_id: "" }).toEqual({ ...wrong.body, request_id: "" });
  });

  it("does as much work for an unknown email, so that the answer's time tells nothing", async () => {
    await platform.register("erin@example.com");
    const work = async (email: string) => {
      const before = process.cpuUsage();
      await login(email, "wrong password");
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    const least = async (email: string) => Math.min(await work(email), await work(email), await work(email));
    const known = await least("erin@example.com");
    const unknown = await least("nobody@example.com");
    expect(unknown / known).toBeGreaterThan(0.6);
    expect(unknown / known).toBeLessThan(1.6);
  });
});

describe("refresh", () => {
  it("rotates: each token is good once", async () => {
    const first = await platform.register();
    const second = await refresh(first.refresh_token);
    expect(second.status).toBe(200);
    const third = await refresh(TokenAnswer.parse(second.body).refresh_token);
    expect(TokenAnswer.parse(third.body)).toMatchObject({ user: first.user, tenant: first.tenant });
  });

  it("ends the whole family when an old token comes back", async () => {
    const first = await platform.register();
    const second = TokenAnswer.parse((await refresh(first.refresh_token)).body);
    expect(await refresh(first.refresh_token)).toMatchObject({ status: 401, body: { code: "token_reused" } });
    expect(await refresh(second.refresh_token)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  });

  it("takes two requests with one token for a reuse, whoever is first", async () => {
    const first = await platform.register();
    const answers = await Promise.all(Array.from({ length: 5 }, () => refresh(first.refresh_token)));
    const won = answers.filter((answer) => answer.status === 200);
    expect(won.length).toBeLessThanOrEqual(1);
    expect(answers.some((answer) => answer.body["code"] === "token_reused")).toBe(true);
    for (const answer of won) expect((await refresh(TokenAnswer.parse(answer.body).refresh_token)).status).toBe(401);
  });

  it("leaves other families of the same person alone", async () => {
    const laptop = await platform.register("frank@example.com");
    const phone = TokenAnswer.parse((await login("frank@example.com")).body);
    await refresh(laptop.refresh_token);
    await refresh(laptop.refresh_token);
    expect((await refresh(phone.refresh_token)).status).toBe(200);
  });

  it("ends after thirty days, even while the row is still there", async () => {
    const { refresh_token } = await platform.register();
    platform.clock.advance(30 * 24 * 60 * 60 * 1000 + 1000);
    expect(await refresh(refresh_token)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  });

  it.each(["x", "A".repeat(75), ""])("refuses garbage %#", async (token) => {
    const answer = await refresh(token);
    expect([401, 422]).toContain(answer.status);
  });
});

describe("logout", () => {
  it("ends the family and says nothing about unknown tokens", async () => {
    const { refresh_token } = await platform.register();
    const logout = (token: string) => platform.send("POST", "/auth/logout", { refresh_token: token });
    expect(await logout(refresh_token)).toMatchObject({ status: 204, text: "" });
    expect(await refresh(refresh_token)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    expect((await logout(refresh_token)).status).toBe(204);
    expect((await logout("unknown")).status).toBe(204);
  });
});

describe("access tokens", () => {
  it("expire after a quarter of an hour", async () => {
    const { access_token } = await platform.register();
    platform.clock.advance(15 * 60 * 1000 + 6000);
    const answer = await platform.send("GET", "/me", undefined, access_token);
    expect(answer).toMatchObject({ status: 401, body: { code: "token_expired" } });
    expect(answer.headers["www-authenticate"]).toBe("Bearer");
  });

  it("are no longer good for a person who is gone", async () => {
    const { access_token, user, tenant } = await platform.register();
    await rows(platform.deps.table).entities.user.delete({ tenant_id: tenant.id, user_id: user.id }).go();
    expect(await platform.send("GET", "/me", undefined, access_token)).toMatchObject({ status: 401 });
  });
});
