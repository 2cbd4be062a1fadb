import { GetCommand, ScanCommand } from "@aws-sdk/lib-dynamodb";
import { apiKeyKey } from "../../../shared/data/keys.ts";
import { rows } from "../../../shared/data/service.ts";
import { createApiKey, findApiKey } from "../../../shared/domain/api-key/api-key.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { ApiKey, CreateApiKeyAnswer } from "../../../shared/protocol/api-key.ts";
import { permissions, roleMay, Scope } from "../../../shared/protocol/permission.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { countedTable, pausedTable } from "../../support/paused-table.ts";
import { people } from "../../support/people.ts";
import { socketDriver } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());
beforeEach(async () => {
  owner = await found();
});

const { found, join } = people(() => platform);
const { keyOf } = socketDriver(() => platform);
const make = (token: string, body: Record<string, unknown>) => platform.send("POST", "/api-keys", body, token);
const list = (token: string, query = "") => platform.send("GET", `/api-keys${query}`, undefined, token);
const revoke = (token: string, id: string) => platform.send("DELETE", `/api-keys/${id}`, undefined, token);
const sessions = (token: string) => platform.send("GET", "/sessions", undefined, token);
const iso = (ms: number) => new Date(ms).toISOString();
const deps = () => ({ table: platform.deps.table, clock: platform.clock });

describe("making a key", () => {
  it("shows its text once, and what it is", async () => {
    const now = platform.clock.now();
    const body = { name: " CI ", scopes: ["session.read", "prompt.send", "session.read"] };
    const answer = await make(owner.access_token, body);
    expect(answer.status).toBe(201);
    const made = CreateApiKeyAnswer.parse(answer.body);
    const ulid = (id: string) => id.split("_")[1] ?? "";
    expect(made.key).toMatch(new RegExp(`^sbx_${ulid(made.id)}${ulid(owner.tenant.id)}_[A-Za-z0-9_-]{43}$`));
    expect(made).toMatchObject({
      name: "CI",
      prefix: `sbx_${ulid(made.id)}`,
      scopes: ["session.read", "prompt.send"],
      created_by: owner.user.id,
      created_at: iso(now),
      last_used_at: null,
      expires_at: null,
    });
    const listed = await list(owner.access_token);
    expect(listed.status).toBe(200);
    const { key, ...shown } = made;
    expect(listed.body).toEqual({ data: [shown], next_cursor: null });
    expect(listed.text).not.toContain(key.slice(-43));
  });

  it("keeps the hash of its secret, and nothing that is the secret", async () => {
    const { key } = await keyOf(owner, ["session.read"]);
    const { client, name } = platform.deps.table;
    const { Items = [] } = await client.send(new ScanCommand({ TableName: name }));
    expect(JSON.stringify(Items)).not.toContain(key.slice(-43));
    const stored = Items.find((item) => item["__edb_e__"] === "apikey" && item["tenant_id"] === owner.tenant.id);
    expect(stored?.["secret_hash"]).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it.each([
    ["no name", { scopes: ["session.read"] }],
    ["an empty name", { name: " ", scopes: ["session.read"] }],
    ["a long name", { name: "x".repeat(101), scopes: ["session.read"] }],
    ["no scope", { name: "x", scopes: [] }],
    ["a scope that does not exist", { name: "x", scopes: ["everything"] }],
    ["a scope of people", { name: "x", scopes: ["account.self"] }],
    ["an end that is no time", { name: "x", scopes: ["session.read"], expires_at: "tomorrow" }],
    ["an end that is over", { name: "x", scopes: ["session.read"], expires_at: "2026-11-21T08:59:59Z" }],
    ["another tenant", { name: "x", scopes: ["session.read"], tenant_id: "ten_01JD0000000000000000000000" }],
  ])("refuses %s", async (_name, body) => {
    expect(await make(owner.access_token, body)).toMatchObject({ status: 422, body: { code: "validation_failed" } });
  });

  it("gives what the maker may do, and no more, whatever the role", async () => {
    const people = {
      owner,
      admin: await join(owner, "admin"),
      member: await join(owner, "member"),
      viewer: await join(owner, "viewer"),
    };
    for (const [role, who] of Object.entries(people)) {
      for (const scope of Scope.options) {
        const may = roleMay(who.user.role, "api_key.manage") && roleMay(who.user.role, scope);
        const answer = await make(who.access_token, { name: "x", scopes: [scope] });
        expect([role, scope, answer.status]).toEqual([role, scope, may ? 201 : 403]);
      }
    }
  });
});

describe("using a key", () => {
  it("is allowed what its scopes name", async () => {
    const { key } = await keyOf(owner, ["session.read"]);
    expect((await sessions(key)).status).toBe(200);
    expect(await platform.send("POST", "/sessions", {}, key)).toMatchObject({
      status: 403,
      body: { code: "forbidden" },
    });
    expect(await make(key, { name: "x", scopes: ["session.read"] })).toMatchObject({ status: 403 });
  });

  it("is never allowed what only people may: their account, and tickets", async () => {
    const { key } = await keyOf(owner, Scope.options);
    for (const [method, path] of [
      ["GET", "/me"],
      ["POST", "/ws-tickets"],
    ] as const)
      expect(await platform.send(method, path, undefined, key)).toMatchObject({ status: 403 });
  });

  it("is allowed no more than its maker may now", async () => {
    const admin = await join(owner, "admin");
    const { key } = await keyOf(admin, ["session.write", "session.read", "member.read"]);
    expect((await platform.send("POST", "/sessions", {}, key)).status).toBe(201);
    await platform.send("PATCH", `/members/${admin.user.id}`, { role: "viewer" }, owner.access_token);
    expect((await platform.send("POST", "/sessions", {}, key)).status).toBe(403);
    expect((await sessions(key)).status).toBe(200);
    await platform.send("DELETE", `/members/${admin.user.id}`, undefined, owner.access_token);
    expect(await sessions(key)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  });

  it("ends with the membership that it was made in, also where the user comes back", async () => {
    const admin = await join(owner, "admin");
    const { key } = await keyOf(admin, ["session.read"]);
    const { entities } = rows(platform.deps.table);
    const of = { tenant_id: owner.tenant.id, user_id: admin.user.id };
    const before = (await entities.user.get(of).go()).data;
    if (!before) throw new Error("no membership");
    await entities.user.delete(of).go();
    platform.clock.advance(1000);
    await entities.user.create({ ...before, created_at: platform.clock.now(), generation: before.generation + 1 }).go();
    expect((await sessions(key)).status).toBe(401);
  });

  it("goes on over a change of the maker's password: a server has none", async () => {
    const { key } = await keyOf(owner, ["session.read"]);
    await rows(platform.deps.table)
      .entities.user.patch({ tenant_id: owner.tenant.id, user_id: owner.user.id })
      .set({ generation: 9 })
      .go();
    expect((await sessions(owner.access_token)).status).toBe(401);
    expect((await sessions(key)).status).toBe(200);
  });

  it("ends at its end, and is listed still", async () => {
    const ends = platform.clock.now() + 60_000;
    const { key, id } = await keyOf(owner, ["session.read"], { expires_at: iso(ends) });
    expect((await sessions(key)).status).toBe(200);
    platform.clock.advance(60_000);
    expect(await sessions(key)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    expect((await list(owner.access_token)).body["data"]).toMatchObject([{ id, expires_at: iso(ends) }]);
  });

  it("is noted at most once a minute, however many use it at once", async () => {
    const { key, id } = await keyOf(owner, ["session.read"]);
    const used = async () => {
      const { table, sent } = countedTable(platform.deps.table);
      await findApiKey({ table, clock: platform.clock }, key);
      return sent.filter((command) => command.constructor.name === "UpdateCommand").length;
    };
    const first = platform.clock.now();
    expect(await used()).toBe(1);
    platform.clock.advance(59_999);
    expect(await used()).toBe(0);
    expect((await list(owner.access_token)).body["data"]).toMatchObject([{ id, last_used_at: iso(first) }]);
    platform.clock.advance(1);
    const results = await Promise.all(Array.from({ length: 8 }, () => findApiKey(deps(), key)));
    expect(results.every((found) => found?.key_id === id)).toBe(true);
    expect((await list(owner.access_token)).body["data"]).toMatchObject([{ last_used_at: iso(first + 60_000) }]);
  });

  it("is not let in with one character changed anywhere", async () => {
    const { key } = await keyOf(owner, ["session.read"]);
    const other = (char: string) => (char === "0" ? "1" : "0");
    const changed = [...key].map((char, at) => key.slice(0, at) + other(char) + key.slice(at + 1));
    const found = await Promise.all(changed.map((text) => findApiKey(deps(), text)));
    expect(found.filter((each) => each !== null)).toEqual([]);
    expect(await findApiKey(deps(), key)).not.toBeNull();
  });

  it.each([
    ["nothing", () => ""],
    ["the prefix", () => "sbx_"],
    ["the key without its secret", (key: string) => key.slice(0, 57)],
    ["a longer secret", (key: string) => `${key}A`],
    ["a space behind", (key: string) => `${key} `],
    ["a line behind", (key: string) => `${key}\n`],
    ["lower case", (key: string) => key.toLowerCase()],
    ["its hash as the secret", (_key: string, hash: string) => `${_key.slice(0, 57)}${hash}`],
  ])("%s is no key", async (_name, change) => {
    const { key, id } = await keyOf(owner, ["session.read"]);
    const { client, name } = platform.deps.table;
    const stored = await client.send(new GetCommand({ TableName: name, Key: apiKeyKey(owner.tenant.id, id) }));
    expect(await findApiKey(deps(), change(key, String(stored.Item?.["secret_hash"])))).toBeNull();
  });

  it("under another tenant's id, or another key's, it is none", async () => {
    const stranger = await found();
    const [mine, theirs] = [await keyOf(owner, ["session.read"]), await keyOf(stranger, ["session.read"])];
    const parts = (key: string) => [key.slice(0, 30), key.slice(30, 57), key.slice(57)] as const;
    const [id, tenant, secret] = parts(mine.key);
    const [otherId, otherTenant, otherSecret] = parts(theirs.key);
    for (const forged of [id + otherTenant + secret, otherId + otherTenant + secret, id + tenant + otherSecret])
      expect((await sessions(forged)).status).toBe(401);
  });
});

describe("the list", () => {
  it("is the tenant's, in pages, whoever made the keys", async () => {
    const admin = await join(owner, "admin");
    const ids = [await keyOf(owner, ["session.read"]), await keyOf(admin, ["session.read"])].map(({ id }) => id);
    await keyOf(await found(), ["session.read"]);
    const first = await list(admin.access_token, "?limit=1");
    const second = await list(admin.access_token, `?limit=1&cursor=${String(first.body["next_cursor"])}`);
    const seen = [first, second].flatMap(({ body }) => (body["data"] as unknown[]).map((row) => ApiKey.parse(row).id));
    expect(seen).toEqual(ids);
    const stranger = await found();
    expect(await list(stranger.access_token, `?cursor=${String(first.body["next_cursor"])}`)).toMatchObject({
      status: 400,
      body: { code: "bad_request" },
    });
  });
});

describe("revoking a key", () => {
  it("ends it with the next call, and takes it from the list", async () => {
    const [gone, kept] = [await keyOf(owner, ["session.read"]), await keyOf(owner, ["session.read"])];
    expect((await revoke(owner.access_token, gone.id)).status).toBe(204);
    expect(await sessions(gone.key)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    expect((await sessions(kept.key)).status).toBe(200);
    expect((await list(owner.access_token)).body["data"]).toMatchObject([{ id: kept.id }]);
  });

  it("twice is no error, so that a try that was cut off can be repeated", async () => {
    const { id } = await keyOf(owner, ["session.read"]);
    expect((await revoke(owner.access_token, id)).status).toBe(204);
    expect((await revoke(owner.access_token, id)).status).toBe(204);
  });

  it("of another tenant, of nobody, and of nonsense is the same not_found", async () => {
    const theirs = await keyOf(await found(), ["session.read"]);
    for (const id of [theirs.id, "key_01JD0000000000000000000000", "nonsense", "x".repeat(3000), "a%23b"])
      expect(await revoke(owner.access_token, id)).toMatchObject({ status: 404, body: { code: "not_found" } });
    expect((await sessions(theirs.key)).status).toBe(200);
  });
});

describe("keys that make keys", () => {
  it("give no more than they have", async () => {
    const { key } = await keyOf(owner, ["api_key.manage", "session.read"]);
    expect((await make(key, { name: "x", scopes: ["session.read"] })).status).toBe(201);
    for (const scope of Scope.options.filter((one) => one !== "api_key.manage" && one !== "session.read"))
      expect((await make(key, { name: "x", scopes: [scope] })).status).toBe(403);
  });

  it("make none that outlives them", async () => {
    const ends = platform.clock.now() + 3_600_000;
    const { key } = await keyOf(owner, ["api_key.manage"], { expires_at: iso(ends) });
    const scopes = ["api_key.manage"];
    expect((await make(key, { name: "x", scopes })).status).toBe(403);
    expect((await make(key, { name: "x", scopes, expires_at: iso(ends + 1) })).status).toBe(403);
    expect((await make(key, { name: "x", scopes, expires_at: iso(ends) })).status).toBe(201);
  });

  const body = { name: "x", scopes: ["session.read" as const], expires_at: null };
  const made = async () => (await list(owner.access_token)).body["data"] as { name: string }[];

  it("make none once they are revoked, also where that comes between", async () => {
    const maker = await keyOf(owner, ["api_key.manage", "session.read"]);
    const actor = await platform.deps.authenticate(maker.key);
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", () => revoke(owner.access_token, maker.id));
    await expect(createApiKey({ ...platform.deps, table }, actor, body)).rejects.toMatchObject({
      code: "unauthenticated",
    });
    expect(await made()).toEqual([]);
  });

  it("and people make none once they are signed out everywhere", async () => {
    const actor = await platform.deps.authenticate(owner.access_token);
    const of = { tenant_id: owner.tenant.id, user_id: owner.user.id };
    const raise = () => rows(platform.deps.table).entities.user.patch(of).set({ generation: 2 }).go();
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", raise);
    await expect(createApiKey({ ...platform.deps, table }, actor, body)).rejects.toMatchObject({
      code: "unauthenticated",
    });
    await rows(platform.deps.table).entities.user.patch(of).set({ generation: 1 }).go();
    expect(await made()).toEqual([]);
  });
});

it("every permission but those of people can be a scope", () => {
  expect([...Scope.options, "account.self"].toSorted()).toEqual(Object.keys(permissions).toSorted());
});
