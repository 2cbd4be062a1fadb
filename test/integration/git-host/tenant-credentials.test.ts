import { generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { tenantGitSecrets } from "../../../shared/adapters/git-credential-secrets.ts";
import { httpGitHosts, type HttpGitHostsOptions } from "../../../shared/adapters/git-hosts-http.ts";
import { httpPullRequests } from "../../../shared/adapters/git-pull-requests.ts";
import type { GitHost } from "../../../shared/config/env.ts";
import type { Table } from "../../../shared/data/service.ts";
import {
  deleteCredential,
  listCredentials,
  putCredential,
  readCredential,
  type CredentialDeps,
} from "../../../shared/domain/git-credential/git-credential.ts";
import { noteRefusedPush, tenantCredentials } from "../../../shared/domain/git-credential/use.ts";
import type { PullRequestWish } from "../../../shared/ports/pull-requests.ts";
import type { PutGitCredentialRequest } from "../../../shared/protocol/git-credential.ts";
import { manualClock } from "../../support/engine.ts";
import { startApiHost, type ApiHost } from "../../support/git-host-api.ts";
import { startLocalSecrets } from "../../support/local-secrets.ts";
import { startTestTable } from "../../support/test-table.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pem = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
const clock = manualClock();
const ids = { uuid: randomUUID, random: Math.random };

let server: Awaited<ReturnType<typeof startTestTable>>;
let secrets: Awaited<ReturnType<typeof startLocalSecrets>>;
let api: ApiHost;
let table: Table;
beforeAll(async () => {
  [server, secrets, api] = await Promise.all([
    startTestTable(),
    startLocalSecrets(["GitSecret"], clock.now),
    startApiHost({ appKey: publicKey, appId: "4711", now: clock.now }),
  ]);
  table = {
    client: DynamoDBDocumentClient.from(server.client, { marshallOptions: { removeUndefinedValues: true } }),
    name: server.tableName,
  };
});
afterAll(async () => {
  await Promise.all([server.stop(), secrets.stop(), api.stop()]);
});
beforeEach(() => {
  api.state.mood = null;
  api.state.installed = true;
  api.pulls.length = 0;
  api.asked.length = 0;
});

/** The same server under each kind of host. */
function hostsOf(kind: GitHost["kind"]): GitHost[] {
  const local = {
    name: "local",
    origin: "http://127.0.0.1:1",
    allowPrivate: true,
    push: "signed" as const,
    defaultOwner: null,
  };
  return [
    { name: "host", origin: api.url, api: api.api, kind, allowPrivate: true, push: "none", defaultOwner: null },
    { ...local, sharedOwners: ["demo"] },
  ];
}

function worldOf(kind: GitHost["kind"] = "github") {
  const tenantSecrets = tenantGitSecrets(secrets.client(), "stack/git-credentials/");
  const credentials = tenantCredentials({ table, tenantSecrets, clock });
  const options: HttpGitHostsOptions = { hosts: hostsOf(kind), clock, secret: async () => "git-secret", credentials };
  const gitHosts = httpGitHosts(options);
  const deps: CredentialDeps = { table, tenantSecrets, gitHosts, clock, ids };
  const tenant_id = `ten_${randomUUID()}`;
  const key = { tenant_id, host: "host" };
  const put = (request: PutGitCredentialRequest, host = "host") =>
    putCredential(deps, { tenant_id, host }, "usr_1", request);
  const wish: PullRequestWish = {
    url: api.repositoryUrl,
    tenantId: tenant_id,
    branch: "a-clock",
    targetBranch: "main",
    title: "A clock",
    body: "It ticks",
    draft: false,
  };
  const pullRequests = httpPullRequests({ ...options, clock, credentials });
  return { deps, gitHosts, tenant_id, key, put, wish, pullRequests, credentials };
}

const token = { kind: "token" as const, token: "a-token-of-the-tenants" };
const app = { kind: "github_app" as const, app_id: "4711", private_key: pem };
const codeOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => "fine",
    (error: { code?: string }) => error.code,
  );

it("is shown without its secret, replaced, and gone when it is deleted", async () => {
  const { deps, key, put, tenant_id, gitHosts } = worldOf();
  expect(await codeOf(readCredential(table, key))).toBe("not_found");
  const shown = await put(token);
  expect(shown).toMatchObject({ host: "host", kind: "token", hint: "ants", last_used_at: null, failing_since: null });
  expect(await put(app)).toMatchObject({ kind: "github_app", app_id: "4711", hint: expect.stringMatching(/^SHA256:/) });
  const listed = await listCredentials(table, tenant_id);
  expect(listed).toHaveLength(1);
  expect(JSON.stringify([shown, listed])).not.toMatch(/a-token|PRIVATE KEY/);
  await deleteCredential(deps, key);
  expect(await codeOf(readCredential(table, key))).toBe("not_found");
  expect(await codeOf(deleteCredential(deps, key))).toBe("not_found");
  expect(await gitHosts.mintPush(api.repositoryUrl, tenant_id)).toBeNull();
  const kept = await tenantGitSecrets(secrets.client(), "stack/git-credentials/").read(tenant_id);
  expect(kept?.text).toBe("{}");
});

it("its secret goes with the next try where a deletion died, and stays where another one was given meanwhile", async () => {
  const { deps, key, put, tenant_id, credentials } = worldOf();
  const { tenantSecrets } = deps;
  await put(token);
  const dying = { ...tenantSecrets, replace: () => Promise.reject(new Error("died")) };
  await expect(deleteCredential({ ...deps, tenantSecrets: dying }, key)).rejects.toThrow("died");
  expect(await codeOf(deleteCredential(deps, key))).toBe("not_found");
  expect((await tenantSecrets.read(tenant_id))?.text).toBe("{}");
  await put(token);
  let isOvertaken = false;
  const overtaken = {
    ...tenantSecrets,
    read: async (tenantId: string) => {
      if (!isOvertaken) await put({ ...token, token: "a-newer-token" });
      isOvertaken = true;
      return tenantSecrets.read(tenantId);
    },
  };
  await deleteCredential({ ...deps, tenantSecrets: overtaken }, key);
  expect(await credentials.find(tenant_id, "host")).toEqual({ kind: "token", token: "a-newer-token" });
});

/** As a process has it that dies at its n-th call of the secret or write of the row: `before` it, or `after` it was done. */
function dyingDeps(deps: CredentialDeps, callNumber: number, moment: "before" | "after") {
  let calls = 0;
  const died = () => Promise.reject(new Error("died"));
  const counted = async <T>(call: () => Promise<T>): Promise<T> => {
    calls += 1;
    if (calls > callNumber || (calls === callNumber && moment === "before")) return died();
    const answer = await call();
    return calls === callNumber ? died() : answer;
  };
  const { tenantSecrets } = deps;
  const client = new Proxy(deps.table.client, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (name !== "send") return value;
      return (...args: unknown[]) =>
        counted(() => (value as (...given: unknown[]) => Promise<unknown>).apply(target, args));
    },
  });
  return {
    ...deps,
    table: { ...deps.table, client },
    tenantSecrets: {
      read: (tenantId: string) => counted(() => tenantSecrets.read(tenantId)),
      replace: (...args: Parameters<typeof tenantSecrets.replace>) => counted(() => tenantSecrets.replace(...args)),
    },
  };
}

it("wherever a replacement or a deletion dies, the old credential counts or the new one, and nothing is left over by the next", async () => {
  const names = async (tenant_id: string) =>
    Object.keys(
      JSON.parse(
        (await tenantGitSecrets(secrets.client(), "stack/git-credentials/").read(tenant_id))?.text ?? "{}",
      ) as object,
    );
  const given = { kind: "token" as const, token: "the-new-token" };
  for (const moment of ["before", "after"] as const) {
    for (let call = 1, died = true; died; call += 1) {
      const { deps, key, put, tenant_id } = worldOf();
      await put(token);
      const dying = dyingDeps(deps, call, moment);
      died = (await codeOf(putCredential(dying, key, "usr_1", given))) !== "fine";
      const credential = await worldOf().credentials.find(tenant_id, "host");
      expect({ call, moment, credential }).toEqual({
        call,
        moment,
        credential: expect.objectContaining({ kind: "token" }),
      });
      const shown = await readCredential(table, key);
      expect(credential).toMatchObject({ token: expect.stringMatching(new RegExp(`${shown.hint}$`)) });
      if (!died) expect(call).toBeGreaterThan(5);
      if (call % 2) {
        await put({ kind: "token", token: "the-last-token" });
        expect(await names(tenant_id)).toEqual(["host"]);
        expect(await worldOf().credentials.find(tenant_id, "host")).toMatchObject({ token: "the-last-token" });
      }
      await deleteCredential(deps, key);
      expect(await names(tenant_id)).toEqual([]);
    }
  }
});

it("of many who replace it at once one is the last, and its secret is the only one", async () => {
  const { put, tenant_id, credentials, key } = worldOf();
  const tokens = Array.from({ length: 6 }, (_, at) => `token-number-${at}`);
  const done = await Promise.all(tokens.map((given) => codeOf(put({ kind: "token", token: given }))));
  expect(done.filter((code) => code !== "fine" && code !== "busy")).toEqual([]);
  const found = await credentials.find(tenant_id, "host");
  expect(found).toMatchObject({ token: expect.stringMatching(/^token-number-/) });
  const { hint } = await readCredential(table, key);
  expect(found).toMatchObject({ token: expect.stringMatching(new RegExp(`${hint}$`)) });
  await put(token);
  const kept = await tenantGitSecrets(secrets.client(), "stack/git-credentials/").read(tenant_id);
  expect(Object.keys(JSON.parse(kept?.text ?? "") as object)).toEqual(["host"]);
});

it("a tenant that never had one gets no secret by a deletion", async () => {
  const { deps, key, tenant_id } = worldOf();
  expect(await codeOf(deleteCredential(deps, key))).toBe("not_found");
  expect(await deps.tenantSecrets.read(tenant_id)).toBeNull();
});

it("is one secret for all of a tenant's hosts, whoever writes at once, and survives a restart", async () => {
  const { deps, tenant_id } = worldOf();
  const named = Array.from({ length: 6 }, (_, at) => `host${at}`);
  const gitHosts: CredentialDeps["gitHosts"] = {
    known: (name) => ({ name, origin: `https://${name}`, kind: "plain", isBuiltIn: false }),
  };
  await Promise.all(
    named.map((host) =>
      putCredential({ ...deps, gitHosts }, { tenant_id, host }, "usr_1", { kind: "token", token: `token-of-${host}` }),
    ),
  );
  await secrets.restart();
  const again = worldOf();
  for (const host of named)
    expect(await again.credentials.find(tenant_id, host)).toEqual({ kind: "token", token: `token-of-${host}` });
  const names = Object.keys(JSON.parse(readFileSync(secrets.file, "utf8")) as object);
  expect(names.filter((name) => name.includes(tenant_id))).toEqual([`stack/git-credentials/${tenant_id}`]);
});

it.each([
  ["github", "x-access-token"],
  ["gitlab", "oauth2"],
  ["bitbucket", "x-token-auth"],
  ["plain", "git"],
] as const)("a token is given to %s as %s, or under its own name", async (kind, username) => {
  const { put, gitHosts, tenant_id } = worldOf(kind);
  await put(token);
  const password = token.token;
  expect(await gitHosts.mintPush(api.repositoryUrl, tenant_id)).toEqual({ username, password });
  await put({ ...token, username: "robot" });
  expect(await gitHosts.mintPush(api.repositoryUrl, tenant_id)).toEqual({ username: "robot", password });
  expect(await gitHosts.mintPush(api.repositoryUrl, "ten_other")).toBeNull();
});

it("an app mints a token for one repository and what it is to do", async () => {
  const { put, gitHosts, tenant_id } = worldOf();
  await put(app);
  const push = await gitHosts.mintPush(api.repositoryUrl, tenant_id);
  expect(push?.username).toBe("x-access-token");
  expect(api.minted.get(push?.password ?? "")).toEqual({ repositories: ["shop"], permissions: { contents: "write" } });
  await put({ ...app, installation_id: "77" });
  api.asked.length = 0;
  const read = await gitHosts.mintRead(api.repositoryUrl, tenant_id);
  expect(api.minted.get(read?.password ?? "")).toEqual({ repositories: ["shop"], permissions: { contents: "read" } });
  expect(api.asked.map(({ path }) => path)).toEqual(["/api/app/installations/77/access_tokens"]);
});

it("an app that the host does not take, or that is not installed, is marked as failing", async () => {
  const { put, gitHosts, tenant_id, key } = worldOf();
  const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" });
  await put({ ...app, private_key: other.toString() });
  await expect(gitHosts.mintPush(api.repositoryUrl, tenant_id)).rejects.toThrow("refused the credential (401)");
  expect((await readCredential(table, key)).failing_since).not.toBeNull();
  await put(app);
  expect((await readCredential(table, key)).failing_since).toBeNull();
  api.state.installed = false;
  await expect(gitHosts.mintPush(api.repositoryUrl, tenant_id)).rejects.toThrow("refused the credential (404)");
  expect((await readCredential(table, key)).failing_since).not.toBeNull();
});

it("finds a private repository with it, and a public one when it is over", async () => {
  const { put, gitHosts, tenant_id, key } = worldOf();
  expect(await gitHosts.inspect(api.repositoryUrl, tenant_id)).toEqual({ kind: "missing" });
  await put(token);
  const found = await gitHosts.inspect(api.repositoryUrl, tenant_id);
  expect(found).toMatchObject({ kind: "found", facts: { defaultBranch: "main" } });
  expect(await gitHosts.inspect(api.repositoryUrl)).toEqual({ kind: "missing" });
  await put({ kind: "token", token: "one-that-is-over" });
  expect(await gitHosts.inspect(api.repositoryUrl, tenant_id)).toEqual({ kind: "missing" });
  expect((await readCredential(table, key)).failing_since).not.toBeNull();
});

it("a push that the host refused marks the credential of its host, and its use is told by the hour", async () => {
  const { put, gitHosts, tenant_id, key } = worldOf();
  await put(token);
  await noteRefusedPush({ table, clock }, tenant_id, "https://elsewhere.test/acme/shop.git");
  expect((await readCredential(table, key)).failing_since).toBeNull();
  await noteRefusedPush({ table, clock }, tenant_id, api.repositoryUrl);
  expect((await readCredential(table, key)).failing_since).not.toBeNull();
  await gitHosts.mintPush(api.repositoryUrl, tenant_id);
  const first = (await readCredential(table, key)).last_used_at;
  clock.advance(60_000);
  await gitHosts.mintPush(api.repositoryUrl, tenant_id);
  expect((await readCredential(table, key)).last_used_at).toBe(first);
  clock.advance(3_600_000);
  await gitHosts.mintPush(api.repositoryUrl, tenant_id);
  expect((await readCredential(table, key)).last_used_at).not.toBe(first);
});

it("is refused for hosts that are none, take none, or are no GitHub, and where the key is none", async () => {
  const { put } = worldOf("gitlab");
  expect(await codeOf(put(token, "nowhere"))).toBe("not_found");
  expect(await codeOf(put(token, "local"))).toBe("validation_failed");
  expect(await codeOf(put(app))).toBe("validation_failed");
  const github = worldOf();
  for (const private_key of [
    "no key",
    pem.replaceAll("A", "B"),
    generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  ])
    expect(await codeOf(github.put({ ...app, private_key }))).toBe("validation_failed");
});

it("the built-in host takes pushes to the tenant's own repositories, and to those that are everybody's", async () => {
  const { gitHosts, tenant_id } = worldOf();
  const push = (path: string) => gitHosts.mintPush(`http://127.0.0.1:1/${path}.git`, tenant_id);
  expect(await push(`${tenant_id}/app`)).not.toBeNull();
  expect(await push("demo/app")).not.toBeNull();
  for (const path of ["ten_other/app", "acme/app", `demo-2/${tenant_id}`, `${tenant_id}/a/b`, "demo"])
    expect([path, await push(path)]).toEqual([path, null]);
  expect(await gitHosts.mintRead("http://127.0.0.1:1/demo/app.git", tenant_id)).toBeNull();
});

describe.each([
  ["github", "https://github.test/acme/shop/pull/1"],
  ["gitlab", "https://gitlab.test/acme/shop/-/merge_requests/1"],
] as const)("a pull request on %s", (kind, url) => {
  it("is opened once", async () => {
    const { put, pullRequests, wish } = worldOf(kind);
    expect(await codeOf(pullRequests.open(wish))).toBe("git_credential_missing");
    await put(token);
    expect(await pullRequests.open({ ...wish, draft: true })).toEqual({ number: 1, url, created: true });
    expect(api.pulls[0]).toMatchObject({ branch: "a-clock", target: "main", body: "It ticks", draft: true });
    expect(await pullRequests.open(wish)).toEqual({ number: 1, url, created: false });
    expect(api.pulls).toHaveLength(1);
  });

  it("is found where somebody was quicker", async () => {
    const { put, pullRequests, wish } = worldOf(kind);
    await put(token);
    let first = true;
    api.state.mood = ({ method }) => {
      if (method !== "GET" || !first) return null;
      first = false;
      api.pulls.push({ number: 1, branch: "a-clock", target: "main", title: "", body: "", draft: false });
      return { status: 200, body: [] };
    };
    expect(await pullRequests.open(wish)).toEqual({ number: 1, url, created: false });
  });

  it("says why not", async () => {
    const { put, pullRequests, wish, key } = worldOf(kind);
    await put(token);
    await expect(pullRequests.open({ ...wish, branch: "main" })).rejects.toMatchObject({ code: "git_host_refused" });
    const moods: [number, Record<string, string>, string][] = [
      [429, { "retry-after": "7" }, "git_host_unavailable"],
      [500, {}, "git_host_unavailable"],
      [302, { location: "http://127.0.0.1:1/" }, "git_host_unavailable"],
      [403, { "x-ratelimit-remaining": "0" }, "git_host_unavailable"],
    ];
    for (const [status, headers, code] of moods) {
      api.state.mood = () => ({ status, headers });
      expect([status, await codeOf(pullRequests.open(wish))]).toEqual([status, code]);
    }
    await expect(pullRequests.open(wish)).rejects.toMatchObject({ retryAfterSeconds: 60 });
    expect((await readCredential(table, key)).failing_since).toBeNull();
    api.state.mood = () => ({ status: 403 });
    expect(await codeOf(pullRequests.open(wish))).toBe("git_credential_refused");
    expect((await readCredential(table, key)).failing_since).not.toBeNull();
  });
});

it("a pull request is made with a token of the app for just that, and nowhere without an API", async () => {
  const { put, pullRequests, wish } = worldOf();
  await put(app);
  expect(await pullRequests.open(wish)).toMatchObject({ created: true });
  const used = api.asked.findLast(({ path }) => path.includes("/pulls"))?.authorization.replace("Bearer ", "") ?? "";
  expect(api.minted.get(used)).toEqual({
    repositories: ["shop"],
    permissions: { contents: "read", pull_requests: "write" },
  });
  for (const kind of ["bitbucket", "plain"] as const)
    expect(await codeOf(worldOf(kind).pullRequests.open(wish))).toBe("git_host_unsupported");
});
