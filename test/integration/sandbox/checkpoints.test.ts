import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CheckpointManifest } from "../../../shared/protocol/checkpoint-manifest.ts";
import { type WorkspaceSource, emptySource } from "../../../shared/protocol/sandbox-frame.ts";
import { eachTestHas, gitHost, newTask, startPlatform } from "./support/each-test.ts";
import type { FakePlatform } from "./support/fake-platform.ts";
import { git } from "./support/git-host.ts";
import type { SandboxTask } from "./support/sandbox-task.ts";

// Each test starts real processes, which a busy machine takes its time for.
jest.setTimeout(40_000);

const host = gitHost();
let platform: FakePlatform;
let task: SandboxTask;

const trap = gitHost();

eachTestHas((aPlatform, aTask) => ([platform, task] = [aPlatform, aTask]));
beforeEach(() => {
  host.refuseWith = null;
  host.redirectTo = null;
  host.requests.length = 0;
});

const pushTo = (name: string, branch = "ai/work") => ({
  url: host.url(name),
  branch,
  username: "token",
  password: "secret",
});

function project(name: string): { bare: string; base: string } {
  const bare = host.create(name, (worktree) => {
    mkdirSync(join(worktree, "src"));
    writeFileSync(join(worktree, "README.md"), "# Project\n");
    writeFileSync(join(worktree, "src/run.sh"), "#!/bin/sh\necho run\n", { mode: 0o755 });
    writeFileSync(join(worktree, "src/old.txt"), "old\n");
    git(worktree, "add", "-A");
    git(worktree, "commit", "-q", "-m", "first");
    writeFileSync(join(worktree, "src/old.txt"), "old\nolder\n");
    execFileSync("ln", ["-s", "README.md", join(worktree, "link.md")]);
    git(worktree, "add", "-A");
    git(worktree, "commit", "-q", "-m", "second");
  });
  return { bare, base: git(bare, "rev-parse", "main") };
}

async function startOn(name: string, more: Partial<WorkspaceSource> = {}): Promise<string> {
  platform.source = { ...emptySource, repo_url: host.url(name), target_branch: "main", branch: "ai/work", ...more };
  await task.start(platform);
  const ready = await platform.next("sandbox.ready");
  return ready.base_commit ?? "";
}

test("from clone to branch: the workspace, the commit, its pack and manifest, the push", async () => {
  const { bare, base } = project("whole");
  expect(await startOn("whole")).toBe(base);
  expect(readFileSync(join(task.workspace, "src/old.txt"), "utf8")).toBe("old\nolder\n");
  expect(statSync(join(task.workspace, "src/run.sh")).mode & 0o111).toBe(0o111);
  expect(existsSync(join(task.workspace, ".git"))).toBe(false);

  await platform.runTool("write", { file_path: "src/new.txt", content: "a\nb\nc\n" });
  await platform.runTool("bash", { command: "rm link.md; echo more >> README.md; chmod -x src/run.sh" });
  const taken = await platform.takeCheckpoint(pushTo("whole"));
  expect(taken).toMatchObject({ error: null, push: { status: "pushed", branch: "ai/work", error: null } });
  const checkpoint = taken.checkpoint;
  if (!checkpoint) throw new Error("no checkpoint");
  expect(checkpoint).toMatchObject({
    parent_commit: base,
    stat: { files: 4, insertions: 4, deletions: 1 },
    pack_is_complete: true,
  });

  const order = platform.happened;
  expect(order.indexOf("put:pack")).toBeLessThan(order.indexOf("sandbox.checkpoint_taken"));
  expect(order.indexOf("put:manifest")).toBeLessThan(order.indexOf("sandbox.checkpoint_taken"));
  expect(git(bare, "rev-parse", "ai/work")).toBe(checkpoint.commit);
  expect(git(bare, "rev-parse", "ai/work^{tree}")).toBe(checkpoint.tree);
  expect(git(bare, "diff", "--shortstat", "main", "ai/work")).toBe("4 files changed, 4 insertions(+), 1 deletion(-)");
  expect(git(bare, "log", "-1", "--format=%an <%ae>%n%B", "ai/work")).toBe(
    "Ada <ada@example.com>\nDo the work\n\nCo-authored-by: Claude <claude@example.com>",
  );
  expect(git(bare, "fsck", "--full")).not.toMatch(/error|missing/);
  const manifest = CheckpointManifest.parse(
    JSON.parse(platform.objects.get(checkpoint.manifest_key)?.toString() ?? ""),
  );
  const listed = git(bare, "ls-tree", "-r", "-l", "ai/work")
    .split("\n")
    .map((line) => line.split(/\s+/).join(" "));
  const ours = manifest.files.map(({ path, mode, oid, size }) => `${mode} blob ${oid} ${size} ${path}`);
  expect(ours.toSorted()).toEqual(listed.toSorted());
  expect([...host.authorizations]).toEqual([`Basic ${Buffer.from("token:secret").toString("base64")}`]);
}, 30_000);

test("the second push is one POST; an unchanged workspace makes no checkpoint; a repeated request gets the same answer", async () => {
  const { bare } = project("again");
  await startOn("again");
  await platform.runTool("write", { file_path: "one", content: "1\n" });
  const first = await platform.takeCheckpoint(pushTo("again"));
  await platform.runTool("write", { file_path: "two", content: "2\n" });
  host.requests.length = 0;
  const second = await platform.takeCheckpoint(pushTo("again"), "turn_second");
  expect(host.requests).toEqual(["POST git-receive-pack"]);
  expect(second.checkpoint).toMatchObject({ parent_commit: first.checkpoint?.commit, pack_is_complete: false });
  expect(git(bare, "rev-parse", "ai/work")).toBe(second.checkpoint?.commit);

  platform.send({
    type: "checkpoint.take",
    turn_id: "turn_second",
    message: "x",
    author: { name: "", email: "" },
    co_author: { name: "", email: "" },
    push: null,
  });
  const repeated = await platform.until(
    () => platform.framesOf("sandbox.checkpoint_taken").filter((frame) => frame.turn_id === "turn_second")[1],
    "the answer again",
  );
  expect({ ...repeated, frame_id: second.frame_id }).toEqual(second);
  expect(await platform.takeCheckpoint(pushTo("again"))).toMatchObject({
    checkpoint: null,
    push: { status: "none" },
    error: null,
  });
}, 30_000);

test("a branch that somebody else moved is never forced: the push goes beside it", async () => {
  const { bare, base } = project("moved");
  await startOn("moved");
  git(bare, "branch", "ai/work", git(bare, "commit-tree", "-p", base, "-m", "foreign", `${base}^{tree}`));
  const foreign = git(bare, "rev-parse", "ai/work");
  await platform.runTool("write", { file_path: "one", content: "1\n" });
  const first = await platform.takeCheckpoint(pushTo("moved"));
  expect(first.push).toEqual({ status: "pushed", branch: "ai/work-2", error: null });
  await platform.runTool("write", { file_path: "one", content: "2\n" });
  const second = await platform.takeCheckpoint(pushTo("moved"));
  expect(second.push.branch).toBe("ai/work-2");
  git(bare, "update-ref", "refs/heads/ai/work-2", base);
  await platform.runTool("write", { file_path: "one", content: "3\n" });
  const third = await platform.takeCheckpoint(pushTo("moved"));
  expect(third.push).toEqual({ status: "pushed", branch: "ai/work-2", error: null });
  expect(git(bare, "rev-parse", "ai/work")).toBe(foreign);
  expect(git(bare, "rev-parse", "ai/work-2")).toBe(third.checkpoint?.commit);
  expect(git(bare, "fsck", "--full")).not.toMatch(/error|missing/);
}, 30_000);

test("a failed push leaves the checkpoint pending and is tried again by itself", async () => {
  const { bare } = project("refused");
  await startOn("refused");
  host.refuseWith = 403;
  await platform.runTool("write", { file_path: "one", content: "1\n" });
  const taken = await platform.takeCheckpoint(pushTo("refused"));
  expect(taken.checkpoint).not.toBeNull();
  expect(taken.push).toEqual({
    status: "pending",
    branch: null,
    error: "credential_refused: the git host answered 403",
  });
  host.refuseWith = null;
  const pushed = await platform.next("sandbox.checkpoint_pushed");
  expect(pushed).toMatchObject({ commit: taken.checkpoint?.commit, branch: "ai/work" });
  expect(git(bare, "rev-parse", "ai/work")).toBe(taken.checkpoint?.commit);
}, 30_000);

test("no redirect is followed: the credential goes nowhere else", async () => {
  project("redirected");
  await startOn("redirected");
  host.redirectTo = trap.url("x").replace("/x.git", "");
  await platform.runTool("write", { file_path: "one", content: "1\n" });
  const taken = await platform.takeCheckpoint(pushTo("redirected"));
  expect(taken.push).toMatchObject({ status: "pending", error: "the git host answered 302" });
  expect(trap.requests).toEqual([]);
}, 30_000);

test("the workspace's own .git does not matter", async () => {
  const { bare } = project("poisoned");
  await startOn("poisoned");
  await platform.runTool("bash", {
    command:
      "git init -q . && git config remote.origin.pushurl http://127.0.0.1:9/evil && git config http.corsProxy http://127.0.0.1:9 && echo 'exit 1' > .git/hooks/pre-push; echo x > x",
  });
  const taken = await platform.takeCheckpoint(pushTo("poisoned"));
  expect(taken.push.status).toBe("pushed");
  expect(git(bare, "ls-tree", "-r", "--name-only", "ai/work").split("\n").sort()).toEqual([
    "README.md",
    "link.md",
    "src/old.txt",
    "src/run.sh",
    "x",
  ]);
}, 30_000);

test("an upload that fails makes no checkpoint and loses nothing", async () => {
  project("upload");
  await startOn("upload");
  await platform.runTool("write", { file_path: "one", content: "1\n" });
  platform.refusePuts = 100;
  const failed = await platform.takeCheckpoint(pushTo("upload"));
  expect(failed).toMatchObject({ checkpoint: null, error: "object storage answered 500" });
  platform.refusePuts = 0;
  const taken = await platform.takeCheckpoint(pushTo("upload"));
  expect(taken).toMatchObject({
    error: null,
    push: { status: "pushed" },
    checkpoint: { stat: { files: 1, insertions: 1, deletions: 0 } },
  });
}, 30_000);

test("a new container restores base and packs, and goes on from there", async () => {
  const { bare, base } = project("restored");
  await startOn("restored");
  const commits: string[] = [];
  const keys: string[] = [];
  for (const content of ["1\n", "2\n", "3\n"]) {
    await platform.runTool("write", { file_path: "dir/one", content });
    const { checkpoint } = await platform.takeCheckpoint(pushTo("restored"));
    commits.push(checkpoint?.commit ?? "");
    keys.push(checkpoint?.pack_key ?? "");
  }
  await task.stop();
  // The target branch goes on meanwhile: the base is not its tip any more.
  git(bare, "update-ref", "refs/heads/main", git(bare, "commit-tree", "-p", base, "-m", "later", `${base}^{tree}`));

  const objects = platform.objects;
  platform.stop();
  platform = await startPlatform();
  for (const [key, body] of objects) platform.objects.set(key, body);
  task = newTask();
  await startOn("restored", {
    base_commit: base,
    commit: commits[2] ?? null,
    pack_urls: keys.map((key) => platform.urlOf(key)),
  });
  expect(platform.framesOf("sandbox.ready")[0]).toMatchObject({ restored_commit: commits[2], base_commit: base });
  expect(readFileSync(join(task.workspace, "dir/one"), "utf8")).toBe("3\n");
  await platform.runTool("bash", { command: "echo 4 >> dir/one" });
  const taken = await platform.takeCheckpoint(pushTo("restored"));
  expect(taken).toMatchObject({
    error: null,
    push: { status: "pushed", branch: "ai/work" },
    checkpoint: { parent_commit: commits[2], pack_is_complete: false, pack_replaces: [] },
  });
  expect(git(bare, "rev-list", "--count", `${base}..ai/work`)).toBe("4");

  // The packs, on top of the base, are enough.
  const other = join(task.folder, "other.git");
  git(task.folder, "clone", "-q", "--bare", "--single-branch", "--branch", "main", bare, other);
  for (const key of [...keys, taken.checkpoint?.pack_key ?? ""])
    execFileSync("git", ["index-pack", "--stdin"], { cwd: other, input: platform.objects.get(key) ?? "" });
  expect(git(other, "rev-list", "--count", `${base}..${taken.checkpoint?.commit}`)).toBe("4");
  expect(git(other, "fsck", "--full", "--strict")).not.toMatch(/error|missing/);
}, 40_000);

test("an empty workspace without a repository is kept and restored too", async () => {
  await task.start(platform);
  await platform.next("sandbox.ready");
  await platform.runTool("write", { file_path: "a", content: "1\n" });
  const taken = await platform.takeCheckpoint();
  expect(taken).toMatchObject({ error: null, push: { status: "none" }, checkpoint: { parent_commit: null } });
});

test.each([
  ["a repository that is not there", "missing", "could not be prepared"],
  ["a tree that leads into .git", "hostile", "unsafe path"],
])(
  "%s fails the preparation, and the tools that waited for it",
  async (_what, name, reason) => {
    rmSync(join(host.folder, "hostile.git"), { recursive: true, force: true });
    const bare = host.create("hostile", (worktree) => {
      writeFileSync(join(worktree, "x"), "x");
      git(worktree, "add", "-A");
      git(worktree, "commit", "-q", "-m", "first");
    });
    const blob = git(bare, "rev-parse", "main:x");
    const inner = execFileSync("git", ["mktree"], { cwd: bare, input: `100644 blob ${blob}\tconfig\n` })
      .toString()
      .trim();
    const tree = execFileSync("git", ["mktree"], { cwd: bare, input: `040000 tree ${inner}\t.GIT\n` })
      .toString()
      .trim();
    git(bare, "update-ref", "refs/heads/main", git(bare, "commit-tree", "-m", "hostile", tree));
    platform.source = { ...emptySource, repo_url: host.url(name), target_branch: "main" };
    await task.start(platform);
    await platform.next("sandbox.hello");
    const call = platform.runTool("bash", { command: "echo never" });
    expect((await platform.next("sandbox.failed")).message).toContain(reason);
    expect(await call).toMatchObject({ is_error: true });
    expect(await task.ended()).toBe(1);
  },
  30_000,
);
