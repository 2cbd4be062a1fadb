import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import { readConfiguration } from "../../../shared/domain/sandbox-config/configuration.ts";
import { maxEnvironmentBytes } from "../../../shared/protocol/sandbox-config.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
beforeAll(async () => {
  platform = await startHttpPlatform();
  owner = await platform.register();
});
afterAll(() => platform.stop());

const value = "hunter2-the-value-of-a-secret";
const ask = (method: string, path: string, body?: unknown, who = owner) =>
  platform.send(method, path, body, who.access_token);

async function sessionWith(sbx_config: unknown, who = owner) {
  const made = await ask("POST", "/sessions", {}, who);
  const path = `/sessions/${String(made.body["id"])}`;
  const set = await ask("PATCH", path, { sbx_config }, who);
  const key = { tenant_id: who.tenant.id, session_id: String(made.body["id"]) };
  return { path, set, key };
}

const configurationOf = (key: { tenant_id: string; session_id: string }) =>
  readConfiguration({ ...platform.deps, defaultNetwork: "open" }, key);

async function stored(): Promise<string> {
  const { deps } = platform;
  const found = await deps.table.client.send(new ScanCommand({ TableName: deps.table.name }));
  return JSON.stringify(found.Items);
}

describe("secrets", () => {
  it("are set, listed by name, replaced and deleted, and no answer has the value", async () => {
    const first = await ask("PUT", "/secrets/NPM_TOKEN", { value });
    expect(first).toMatchObject({ status: 200, body: { name: "NPM_TOKEN" } });
    platform.clock.advance(5_000);
    const second = await ask("PUT", "/secrets/NPM_TOKEN", { value: `${value}-2` });
    expect(second.body["created_at"]).toBe(first.body["created_at"]);
    expect(second.body["updated_at"]).not.toBe(first.body["updated_at"]);
    await ask("PUT", "/secrets/npm_token", { value: "another one" });
    const list = await ask("GET", "/secrets");
    expect((list.body["data"] as { name: string }[]).map(({ name }) => name)).toEqual(["NPM_TOKEN", "npm_token"]);
    const deleted = await ask("DELETE", "/secrets/npm_token");
    expect(deleted.status).toBe(204);
    expect((await ask("DELETE", "/secrets/npm_token")).status).toBe(404);
    for (const answer of [first, second, list]) expect(answer.text).not.toContain("hunter2");
    expect(await stored()).not.toContain("hunter2");
    expect(platform.lines.join("")).not.toContain("hunter2");
  });

  it.each([{}, { value: "" }, { value: "x".repeat(4097) }, { value: "a\0b" }, { value: 1 }, { value: "x", more: 1 }])(
    "refuses %j",
    async (body) => expect((await ask("PUT", "/secrets/A", body)).body).toMatchObject({ code: "validation_failed" }),
  );

  it.each(["1A", "A%20B", "A.B", "A".repeat(65)])("refuses the name %s", async (name) => {
    expect([404, 422]).toContain((await ask("PUT", `/secrets/${name}`, { value })).status);
  });

  it("ten writers of one name leave one secret", async () => {
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, at) => ask("PUT", "/secrets/RACE", { value: `v${at}` })),
    );
    expect(all.map(({ status }) => status)).toEqual(Array(10).fill(200));
    const list = await ask("GET", "/secrets");
    expect((list.body["data"] as { name: string }[]).filter(({ name }) => name === "RACE")).toHaveLength(1);
  });

  it("are their tenant's: another one neither sees, nor deletes, nor uses them", async () => {
    const stranger = await platform.register();
    await ask("PUT", "/secrets/OURS", { value });
    expect((await ask("GET", "/secrets", undefined, stranger)).body["data"]).toEqual([]);
    expect((await ask("DELETE", "/secrets/OURS", undefined, stranger)).status).toBe(404);
    const theirs = await sessionWith({ environment: { A: { secret: "OURS" } } }, stranger);
    expect(await configurationOf(theirs.key)).toMatchObject({
      environment: {},
      missing: [{ name: "A", reason: "there is no such secret" }],
    });
  });

  it("a sealed value moved to another row opens nothing", async () => {
    const sealed = await platform.deps.secretBox.seal(value, `secret|${owner.tenant.id}|ONE`);
    await expect(platform.deps.secretBox.open(sealed, `secret|${owner.tenant.id}|TWO`)).rejects.toThrow();
  });
});

describe("a sandbox's configuration", () => {
  it("has the values of what the session names, and says which are secret and which are not there", async () => {
    await ask("PUT", "/secrets/TOKEN", { value });
    const { set, key } = await sessionWith({
      environment: { PLAIN: "x", GIVEN: { secret: "TOKEN" }, ABSENT: { secret: "NOWHERE" } },
      setup: ["npm ci"],
      mine: true,
    });
    expect(set.status).toBe(200);
    expect(set.body["sbx_config"]).toMatchObject({ mine: true });
    expect(set.text).not.toContain("hunter2");
    expect(await configurationOf(key)).toEqual({
      network: { policy: "open", allow: [] },
      setup: ["npm ci"],
      environment: { PLAIN: "x", GIVEN: value },
      secret: ["GIVEN"],
      missing: [{ name: "ABSENT", reason: "there is no such secret" }],
    });
  });

  it("fits a message: what is too much is left out, and said", async () => {
    const large = "x".repeat(4_096);
    const environment = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`A${at}`, large]));
    const { key } = await sessionWith({ environment });
    const { environment: given, missing } = await configurationOf(key);
    expect(JSON.stringify(given).length).toBeLessThan(maxEnvironmentBytes + 1_024);
    expect(Object.keys(given).length + missing.length).toBe(20);
    expect(missing.length).toBeGreaterThan(0);
  });

  it("of a session without one is the deployment's own", async () => {
    const { key } = await sessionWith(null);
    expect(await configurationOf(key)).toMatchObject({ network: { policy: "open" }, setup: [], environment: {} });
  });
});

describe("what a deployment does not offer", () => {
  it.each([
    [{ network: { policy: "none" } }, "body.sbx_config.network.policy"],
    [{ network: { policy: "allowlist", allow: ["example.com"] } }, "body.sbx_config.network.policy"],
    [{ image: "python" }, "body.sbx_config.image"],
  ])("%j is a 422 with a code of its own, by PATCH and by PUT, and changes nothing", async (sbx_config, path) => {
    const { path: session, set } = await sessionWith(sbx_config);
    expect(set).toMatchObject({ status: 422, body: { code: "not_offered" } });
    expect(JSON.stringify(set.body)).toContain(path);
    const put = await ask("PUT", session, { inbox_status: "active", sbx_config });
    expect(put).toMatchObject({ status: 422, body: { code: "not_offered" } });
    expect((await ask("GET", session)).body["sbx_config"]).toBeNull();
  });

  it.each([{ network: { policy: "open" } }, { size: "small" }, { size: "large", image: "default" }, { anything: 1 }])(
    "%j is offered",
    async (sbx_config) => expect((await sessionWith(sbx_config)).set.status).toBe(200),
  );
});
