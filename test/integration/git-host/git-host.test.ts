import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startGitHost } from "../../../infra/local/git-host/git-host.ts";
import { importRepository } from "../../../infra/local/git-host/repositories.ts";
import { httpGitHosts } from "../../../shared/adapters/git-hosts-http.ts";
import { pushTokenKey, signPushToken } from "../../../shared/git-push-token.ts";

const run = promisify(execFile);
const gitEnv = {
  PATH: "/usr/local/bin:/usr/bin:/bin",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
};
const identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];

let directory: string;
let host: Awaited<ReturnType<typeof startGitHost>>;
let nowMs = Date.now();

const git = async (cwd: string, ...args: string[]) =>
  (await run("git", [...identity, ...args], { cwd, env: gitEnv })).stdout.trim();

function commitFile(work: string, name: string, text: string) {
  writeFileSync(join(work, name), text);
  return git(work, "add", "-A").then(() => git(work, "commit", "-qm", `add ${name}`));
}

const credential = (repository: string, changes: { secret?: string; expiresAtMs?: number } = {}) =>
  signPushToken(pushTokenKey(changes.secret ?? "git-secret"), {
    repository,
    expiresAtMs: changes.expiresAtMs ?? nowMs + 60_000,
  });

const withToken = (path: string, token: string) =>
  host.url.replace("http://", `http://x-access-token:${token}@`) + path;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "git-host-"));
  const source = join(directory, "source");
  await git(directory, "init", "-q", "-b", "trunk", source);
  await commitFile(source, "README.md", "# demo\n");
  await git(source, "branch", "feature/one");
  const repositories = join(directory, "repositories");
  host = await startGitHost({
    port: 0,
    directory: repositories,
    secrets: async () => ["git-secret", "git-secret-before"],
    now: () => nowMs,
    maxBodyBytes: 2_000_000,
  });
  await importRepository({ directory: repositories, source, repository: "demo/app" });
  await importRepository({ directory: repositories, source, repository: "demo/other" });
  await importRepository({ directory: repositories, source, repository: "demo/hidden", private: true });
  await importRepository({ directory: repositories, source: null, repository: "demo/empty" });
});
afterAll(async () => {
  await host.stop();
  rmSync(directory, { recursive: true, force: true });
});

const clone = async (url: string) => {
  const work = mkdtempSync(join(directory, "clone-"));
  await git(directory, "clone", "-q", url, work);
  return work;
};

describe("reading", () => {
  it("serves a clone, with or without .git, shallow too", async () => {
    expect(await git(await clone(`${host.url}/demo/app.git`), "branch", "--show-current")).toBe("trunk");
    expect(readdirSync(await clone(`${host.url}/demo/app`))).toContain("README.md");
    const shallow = mkdtempSync(join(directory, "shallow-"));
    await git(directory, "clone", "-q", "--depth", "1", `${host.url}/demo/app.git`, shallow);
    expect(await git(shallow, "rev-parse", "--is-shallow-repository")).toBe("true");
  });

  it("hides a private repository without its token", async () => {
    await expect(clone(`${host.url}/demo/hidden.git`)).rejects.toThrow(/not found/);
    const read = (token: string) => {
      const header = `Authorization: Basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}`;
      return git(directory, "-c", `http.extraHeader=${header}`, "ls-remote", `${host.url}/demo/hidden.git`);
    };
    await expect(read(credential("demo/app"))).rejects.toThrow(/not found/);
    expect(await read(credential("demo/hidden"))).toContain("refs/heads/trunk");
  });

  it.each([
    "/",
    "/demo",
    "/demo/app.git",
    "/demo/app.git/HEAD",
    "/demo/app.git/config",
    "/demo/app.git/objects/info/packs",
    "/demo/app.git/info/refs",
    "/demo/app.git/info/refs?service=git-shell",
    "/demo/app.git/../hidden.git/info/refs?service=git-upload-pack",
    "/demo/..%2fhidden.git/info/refs?service=git-upload-pack",
    "/../../etc/passwd",
    "/.gitconfig",
    "/demo/missing.git/info/refs?service=git-upload-pack",
    "/-x/app.git/info/refs?service=git-upload-pack",
    "/demo/.git/info/refs?service=git-upload-pack",
    "/demo/app.git.git/info/refs?service=git-upload-pack",
  ])("answers 404 to GET %s", async (path) => {
    expect(await rawStatus(path)).toBe(404);
  });
});

describe("pushing", () => {
  const pushTo = async (url: string, work: string, ...refs: string[]) => git(work, "push", url, ...refs);

  it("takes a push with a token for exactly this repository", async () => {
    const work = await clone(`${host.url}/demo/app.git`);
    await commitFile(work, "a.txt", "a");
    await pushTo(withToken("/demo/app.git", credential("demo/app")), work, "HEAD:refs/heads/session/a");
    expect(await git(work, "ls-remote", `${host.url}/demo/app.git`, "refs/heads/session/a")).toContain(
      await git(work, "rev-parse", "HEAD"),
    );
  });

  it("takes a token that was signed before the secret was rotated", async () => {
    const work = await clone(`${host.url}/demo/app.git`);
    await commitFile(work, "before.txt", "a");
    const token = credential("demo/app", { secret: "git-secret-before" });
    await pushTo(withToken("/demo/app.git", token), work, "HEAD:refs/heads/session/before");
  });

  it.each([
    ["no token", () => `${host.url}/demo/app.git`],
    ["another repository's token", () => withToken("/demo/app.git", credential("demo/other"))],
    ["an expired token", () => withToken("/demo/app.git", credential("demo/app", { expiresAtMs: nowMs - 1_000 }))],
    ["a token of another secret", () => withToken("/demo/app.git", credential("demo/app", { secret: "guess" }))],
    ["a longer token", () => withToken("/demo/app.git", `${credential("demo/app")}.x`)],
    ["a changed payload", () => withToken("/demo/app.git", credential("demo/app").replace(/^./, "f"))],
  ])("refuses %s", async (_what, url) => {
    const work = await clone(`${host.url}/demo/app.git`);
    await commitFile(work, "b.txt", "b");
    await expect(pushTo(url(), work, "HEAD:refs/heads/refused")).rejects.toThrow(
      /403|could not read Username|Authentication failed/i,
    );
    expect(await git(work, "ls-remote", `${host.url}/demo/app.git`, "refs/heads/refused")).toBe("");
  });

  it("never rewrites or deletes a branch", async () => {
    const url = withToken("/demo/other.git", credential("demo/other"));
    const work = await clone(`${host.url}/demo/other.git`);
    await commitFile(work, "c.txt", "c");
    await pushTo(url, work, "HEAD:refs/heads/kept");
    const kept = await git(work, "rev-parse", "HEAD");
    await git(work, "commit", "-q", "--amend", "-m", "rewritten");
    await expect(pushTo(url, work, "+HEAD:refs/heads/kept")).rejects.toThrow(/non-fast-forward/);
    await expect(pushTo(url, work, ":refs/heads/kept")).rejects.toThrow(/deletion prohibited/);
    expect(await git(work, "ls-remote", url, "refs/heads/kept")).toContain(kept);
  });

  it("runs no hook of the repository", async () => {
    const folder = join(directory, "repositories", "demo", "other.git");
    writeFileSync(join(folder, "hooks", "pre-receive"), `#!/bin/sh\ntouch ${join(directory, "hooked")}\nexit 1\n`, {
      mode: 0o755,
    });
    const work = await clone(`${host.url}/demo/other.git`);
    await commitFile(work, "d.txt", "d");
    await pushTo(withToken("/demo/other.git", credential("demo/other")), work, "HEAD:refs/heads/hooks");
    expect(existsSync(join(directory, "hooked"))).toBe(false);
  });

  it("cuts off a body over the limit", async () => {
    const work = await clone(`${host.url}/demo/app.git`);
    writeFileSync(
      join(work, "big"),
      Buffer.from(Array.from({ length: 3_000_000 }, () => Math.floor(Math.random() * 256))),
    );
    await git(work, "add", "-A");
    await git(work, "commit", "-qm", "big");
    await expect(
      pushTo(withToken("/demo/app.git", credential("demo/app")), work, "HEAD:refs/heads/big"),
    ).rejects.toThrow();
    expect(await git(work, "ls-remote", `${host.url}/demo/app.git`, "refs/heads/big")).toBe("");
    expect(await git(work, "ls-remote", `${host.url}/demo/app.git`, "refs/heads/trunk")).not.toBe("");
  });
});

describe("importing", () => {
  it("keeps a repository that is there, and leaves nothing of a failed import", async () => {
    const repositories = join(directory, "repositories");
    await importRepository({ directory: repositories, source: "/nowhere", repository: "demo/app" });
    await expect(
      importRepository({ directory: repositories, source: "/nowhere", repository: "demo/gone" }),
    ).rejects.toThrow(/does not exist/);
    expect(existsSync(join(repositories, "demo", "gone.git"))).toBe(false);
    expect(readdirSync(repositories).filter((name) => name.startsWith(".import"))).toEqual([]);
  });

  it.each(["../x/y", "a", "a/b/c", "-a/b", "a/..", ".a/b", "a/b.git"])("refuses the name %s", async (repository) => {
    await expect(importRepository({ directory, source: null, repository })).rejects.toThrow(/no repository name/);
  });
});

describe("the platform's view", () => {
  const hosts = () =>
    httpGitHosts({
      hosts: [
        {
          name: "local",
          origin: host.url,
          allowPrivate: true,
          push: "signed",
          defaultOwner: "demo",
          sharedOwners: ["demo"],
        },
      ],
      secret: async () => "git-secret",
      clock: { now: () => nowMs },
    });

  it("finds the default branch and the branches", async () => {
    const url = hosts().resolve("app");
    expect(url).toBe(`${host.url}/demo/app.git`);
    const inspection = await hosts().inspect(url);
    if (inspection.kind !== "found") throw new Error(JSON.stringify(inspection));
    expect(inspection.facts.defaultBranch).toBe("trunk");
    expect([...inspection.facts.branches.keys()]).toEqual(expect.arrayContaining(["trunk", "feature/one"]));
    expect(inspection.facts.branches.get("trunk")).toMatch(/^[0-9a-f]{40}$/);
  });

  it("finds an empty repository, and calls a missing and a private one the same", async () => {
    expect(await hosts().inspect(`${host.url}/demo/empty.git`)).toMatchObject({
      kind: "found",
      facts: { branches: new Map() },
    });
    expect(await hosts().inspect(`${host.url}/demo/missing.git`)).toEqual({ kind: "missing" });
    expect(await hosts().inspect(`${host.url}/demo/hidden.git`)).toEqual({ kind: "missing" });
  });

  it("mints a credential that the host takes for an hour and no longer", async () => {
    const credentials = await hosts().mintPush(`${host.url}/demo/app.git`, "ten_1");
    if (credentials === null) throw new Error("none");
    const ask = async () =>
      (
        await fetch(`${host.url}/demo/app.git/info/refs?service=git-receive-pack`, {
          headers: {
            authorization: `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}`,
          },
        })
      ).status;
    expect(await ask()).toBe(200);
    nowMs += 3_601_000;
    expect(await ask()).toBe(403);
    expect(await hosts().mintPush("https://github.com/demo/app.git", "ten_1")).toBeNull();
  });
});

/** As sent, without the normalisation of fetch. */
function rawStatus(path: string): Promise<number> {
  const { hostname, port } = new URL(host.url);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", reject);
    request.end();
  });
}
