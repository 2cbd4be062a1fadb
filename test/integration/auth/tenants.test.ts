import { rows } from "../../../shared/data/service.ts";
import { createTenant, switchTenant } from "../../../shared/domain/account/tenancy.ts";
import { authenticate } from "../../../shared/domain/account/authenticate.ts";
import { findApiKey } from "../../../shared/domain/api-key/api-key.ts";
import { MeAnswer, TokenAnswer } from "../../../shared/protocol/account.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { countedTable, pausedTable } from "../../support/paused-table.ts";

let platform: HttpPlatform;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const as = (who: TokenAnswer, method: string, path: string, body?: unknown) =>
  platform.send(method, path, body, who.access_token);
const me = async (who: TokenAnswer) => MeAnswer.parse((await as(who, "GET", "/me")).body);
const switchTo = (who: TokenAnswer, tenant_id: string) => as(who, "POST", "/auth/switch", { tenant_id });
const notFound = { status: 404, body: { code: "not_found" } };

describe("a user in several tenants", () => {
  it("switches with tokens of the other tenant, and stays signed in where it was", async () => {
    const host = await platform.register();
    const own = await platform.register("ivan@example.com");
    await platform.join(host, "viewer", "ivan@example.com");
    const answer = await switchTo(own, host.tenant.id);
    expect(answer.status).toBe(200);
    const there = TokenAnswer.parse(answer.body);
    expect(there).toMatchObject({ tenant: host.tenant, user: { id: own.user.id, role: "viewer" } });
    expect(await me(there)).toMatchObject({ tenant: host.tenant, user: { role: "viewer" } });
    expect(await me(own)).toMatchObject({ tenant: own.tenant, user: { role: "owner" } });
    expect((await me(own)).tenants.map(({ id, role }) => [id, role])).toEqual([
      [host.tenant.id, "viewer"],
      [own.tenant.id, "owner"],
    ]);
  });

  it("refreshes into the tenant of the token's family, and signs in where it was last", async () => {
    const host = await platform.register();
    const own = await platform.register("judy@example.com");
    await platform.join(host, "viewer", "judy@example.com");
    const refresh = async ({ refresh_token }: TokenAnswer) =>
      TokenAnswer.parse((await platform.send("POST", "/auth/refresh", { refresh_token })).body);
    const there = TokenAnswer.parse((await switchTo(own, host.tenant.id)).body);
    expect((await refresh(there)).tenant).toEqual(host.tenant);
    expect((await refresh(own)).tenant).toEqual(own.tenant);
    const login = async () =>
      (await platform.send("POST", "/auth/login", { email: "judy@example.com", password: "correct horse battery" }))
        .body["tenant"];
    expect(await login()).toEqual(host.tenant);
    await switchTo(there, own.tenant.id);
    expect(await login()).toEqual(own.tenant);
  });

  it("may do in each what its role there allows", async () => {
    const host = await platform.register();
    const own = await platform.register("ken@example.com");
    const there = await platform.join(host, "viewer", "ken@example.com");
    const rename = (who: TokenAnswer) => as(who, "PATCH", "/tenant", { name: "Mine" });
    expect((await rename(own)).status).toBe(200);
    expect(await rename(there)).toMatchObject({ status: 403 });
    expect((await as(host, "GET", "/tenant")).body).toEqual(host.tenant);
  });

  it.each([
    ["a foreign tenant", async () => (await platform.register()).tenant.id],
    ["an unknown one", async () => "ten_01JD0000000000000000000000"],
    ["garbage", async () => "#"],
  ])("finds no tenant to switch to in %s", async (_what, other) => {
    expect(await switchTo(await platform.register(), await other())).toMatchObject(notFound);
  });
});

describe("a further tenant", () => {
  it("belongs to who made it, beside the first", async () => {
    const first = await platform.register();
    const answer = await as(first, "POST", "/tenants", { name: " Second " });
    expect(answer).toMatchObject({ status: 201, body: { name: "Second", role: "owner" } });
    const there = TokenAnswer.parse((await switchTo(first, String(answer.body["id"]))).body);
    expect((await as(there, "GET", "/members")).body["data"]).toHaveLength(1);
    expect((await me(first)).tenants).toHaveLength(2);
    expect(await as(there, "POST", "/members/leave")).toMatchObject({ status: 409, body: { code: "last_owner" } });
  });

  it("is made by each of several requests at once", async () => {
    const first = await platform.register();
    const answers = await Promise.all([1, 2, 3, 4].map((n) => as(first, "POST", "/tenants", { name: `T${n}` })));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect((await me(first)).tenants).toHaveLength(5);
  });

  it("comes to fifty at most", async () => {
    const person = await platform.register();
    const { entities } = rows(platform.deps.table);
    const tenant_ids = Array.from({ length: 49 }, (_, index) => `ten_${index}`);
    await entities.login.patch({ email: person.user.email }).add({ tenant_ids }).go();
    expect(await as(person, "POST", "/tenants", { name: "51st" })).toMatchObject({
      status: 409,
      body: { code: "conflict" },
    });
  });

  it("is nobody's where registration is closed, and no account is made", async () => {
    const person = await platform.register();
    const closed = { ...platform.deps, registration: "invite_only" as const };
    const actor = await platform.deps.authenticate(person.access_token);
    await expect(createTenant(closed, actor, "Mine")).rejects.toMatchObject({ code: "forbidden" });
  });
});

describe("a token in exchange for a token", () => {
  it("is not given when the first dies in between", async () => {
    const host = await platform.register();
    const own = await platform.register("leo@example.com");
    await platform.join(host, "viewer", "leo@example.com");
    const actor = await platform.deps.authenticate(own.access_token);
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", () => as(own, "POST", "/auth/logout-all"));
    await expect(switchTenant({ ...platform.deps, table }, actor, host.tenant.id)).rejects.toMatchObject({
      code: "unauthenticated",
    });
  });

  it("leaves no tenant behind when the first dies in between", async () => {
    const own = await platform.register();
    const actor = await platform.deps.authenticate(own.access_token);
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", () => as(own, "POST", "/auth/logout-all"));
    await expect(createTenant({ ...platform.deps, table }, actor, "Orphan")).rejects.toMatchObject({
      code: "unauthenticated",
    });
    const login = await rows(platform.deps.table).entities.login.get({ email: own.user.email }).go();
    expect(login.data?.tenant_ids).toEqual([own.tenant.id]);
  });
});

it("to authenticate an access token costs one consistent read", async () => {
  const { access_token } = await platform.register();
  const { table, sent } = countedTable(platform.deps.table);
  const { verifier } = platform.deps;
  const apiKeys = { find: (text: string) => findApiKey({ table, clock: platform.clock }, text) };
  await authenticate({ table, verifier, apiKeys }, access_token);
  expect(sent.map((command) => command.constructor.name)).toEqual(["GetCommand"]);
  expect(sent[0]).toMatchObject({ input: { ConsistentRead: true } });
});
