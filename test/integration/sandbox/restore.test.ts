import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { blobsIn } from "../../../shared/git/blob-bundle.ts";
import { CheckpointManifest } from "../../../shared/protocol/checkpoint-manifest.ts";
import { emptySource } from "../../../shared/protocol/sandbox-frame.ts";
import { eachTestHas, gitHost } from "./support/each-test.ts";
import type { FakePlatform } from "./support/fake-platform.ts";
import { git } from "./support/git-host.ts";
import type { SandboxTask } from "./support/sandbox-task.ts";

// Each test starts real processes, which a busy machine takes its time for.
jest.setTimeout(40_000);

const host = gitHost();
let platform: FakePlatform;
let task: SandboxTask;

eachTestHas((aPlatform, aTask) => ([platform, task] = [aPlatform, aTask]));

const person = { name: "Ada", email: "ada@example.com" };
let operations = 0;

function sendRestore(tree: string, id = `chk_${(operations += 1)}`): string {
  platform.send({
    type: "checkpoint.restore",
    operation_id: id,
    tree,
    message: "Restore checkpoint 1: Do the work",
    before_message: "Before restoring checkpoint 1",
    author: person,
    co_author: person,
    push: null,
  });
  return id;
}

async function restore(tree: string) {
  const id = sendRestore(tree);
  const done = await platform.next(
    "sandbox.checkpoint_taken",
    (frame) => frame.turn_id === id && frame.cause === "restore",
  );
  const before = platform.framesOf("sandbox.checkpoint_taken").filter((frame) => frame.turn_id === id)[0];
  return { done, before: before?.cause === "before" ? before.checkpoint : null };
}

/** The tree that git itself makes of the workspace. */
function nativeTree(): string {
  const index = join(task.folder, `index-${Math.random()}`);
  const folder = join(task.folder, "native");
  if (!existsSync(folder)) execFileSync("git", ["init", "-q", "--bare", folder]);
  const env = { ...process.env, GIT_INDEX_FILE: index };
  const run = (...args: string[]) =>
    execFileSync("git", [`--git-dir=${folder}`, `--work-tree=${task.workspace}`, ...args], { env, encoding: "utf8" });
  run("-c", "core.safecrlf=false", "add", "-A");
  return run("write-tree").trim();
}

function repository(name: string): void {
  host.create(name, (worktree) => {
    mkdirSync(join(worktree, "src/deep/er"), { recursive: true });
    writeFileSync(join(worktree, "README.md"), "# Project\n");
    writeFileSync(join(worktree, ".gitignore"), "node_modules/\n*.log\nbuild/\n");
    writeFileSync(join(worktree, "src/run.sh"), "#!/bin/sh\necho run\n", { mode: 0o755 });
    writeFileSync(join(worktree, "src/deep/er/one.txt"), "one\n");
    writeFileSync(join(worktree, "blob.bin"), Buffer.from([1, 0, 2, 0, 3]));
    execFileSync("ln", ["-s", "README.md", join(worktree, "link.md")]);
    git(worktree, "add", "-A");
    git(worktree, "commit", "-q", "-m", "first");
  });
}

const sh = (command: string) => platform.runTool("bash", { command });

test("there and back again: the tree is git's own for the state, ignored files stay, nothing is lost", async () => {
  repository("back");
  platform.source = { ...emptySource, repo_url: host.url("back"), target_branch: "main", is_first: true };
  await task.start(platform);
  await platform.next("sandbox.ready");
  await sh(
    "mkdir -p build node_modules/x; echo kept > build/out; echo kept > node_modules/x/index.js; echo l > a.log; echo one > new.txt",
  );
  const first = await platform.takeCheckpoint();
  const tree = first.checkpoint?.tree ?? "";
  expect(tree).toBe(nativeTree());

  await sh(
    "rm -r src/deep; chmod -x src/run.sh; git mv README.md readme.md 2>/dev/null || mv README.md readme.md; rm link.md; echo text > link.md; " +
      "rm new.txt; mkdir new.txt; echo in > new.txt/in; printf 'b\\0c' > blob.bin; ln -s src 'odd näme'; mkdir -p e/m/p; echo x > e/m/p/ty; echo more > build/later",
  );
  const second = await platform.takeCheckpoint();
  await sh("echo unsaved > unsaved.txt; rm readme.md");
  const { done, before } = await restore(tree);
  expect(done).toMatchObject({ error: null, checkpoint: { tree, parent_commit: before?.commit } });
  expect(before).toMatchObject({ parent_commit: second.checkpoint?.commit, message: "Before restoring checkpoint 1" });
  expect(nativeTree()).toBe(tree);
  expect(readFileSync(join(task.workspace, "build/out"), "utf8")).toBe("kept\n");
  expect(readFileSync(join(task.workspace, "build/later"), "utf8")).toBe("more\n");
  expect(readFileSync(join(task.workspace, "node_modules/x/index.js"), "utf8")).toBe("kept\n");
  expect(readdirSync(task.workspace).toSorted()).toEqual(
    [".gitignore", "README.md", "a.log", "blob.bin", "build", "link.md", "new.txt", "node_modules", "src"].toSorted(),
  );
  expect(lstatSync(join(task.workspace, "link.md")).isSymbolicLink()).toBe(true);
  expect(lstatSync(join(task.workspace, "src/run.sh")).mode & 0o111).toBe(0o111);

  // Forward again, to what was never asked to be kept.
  const forth = await restore(before?.tree ?? "");
  expect(forth.before).toBeNull();
  expect(nativeTree()).toBe(before?.tree);
  expect(readFileSync(join(task.workspace, "unsaved.txt"), "utf8")).toBe("unsaved\n");
  // What the watcher saw of it is no change.
  expect(await platform.takeCheckpoint()).toMatchObject({ checkpoint: null, error: null });
  // And to what was before all of it.
  const base = CheckpointManifest.parse(
    JSON.parse(String(platform.objects.get(first.checkpoint?.parent_manifest_key ?? ""))),
  );
  await restore(base.tree);
  expect(nativeTree()).toBe(base.tree);
});

test("what stands in the way and is in no checkpoint is set aside", async () => {
  await task.start(platform);
  await platform.next("sandbox.ready");
  await sh("echo data > data; mkdir d; echo x > d/x");
  const tree = (await platform.takeCheckpoint()).checkpoint?.tree ?? "";
  await sh("rm -r data d; printf 'data\\nd\\n' > .gitignore");
  await platform.takeCheckpoint();
  await sh("mkdir data; echo precious > data/precious; echo mine > d");
  expect(await platform.takeCheckpoint()).toMatchObject({ checkpoint: null });
  const { done } = await restore(tree);
  expect(done).toMatchObject({ error: null, checkpoint: { tree } });
  expect(readFileSync(join(task.workspace, "data"), "utf8")).toBe("data\n");
  const names = readdirSync(task.workspace);
  const [folder = "", file = ""] = [
    names.find((name) => name.startsWith("data.kept-")),
    names.find((name) => name.startsWith("d.kept-")),
  ];
  expect(readFileSync(join(task.workspace, folder, "precious"), "utf8")).toBe("precious\n");
  expect(readFileSync(join(task.workspace, file), "utf8")).toBe("mine\n");
});

test("the same restore twice is one, to the present state is none, and one that cannot be leaves all as it is", async () => {
  await task.start(platform);
  await platform.next("sandbox.ready");
  await sh("echo 1 > one");
  const tree = (await platform.takeCheckpoint()).checkpoint?.tree ?? "";
  await sh("echo 2 > one");
  const { done } = await restore(tree);
  sendRestore(tree, done.turn_id);
  const again = await platform.until(
    () =>
      platform
        .framesOf("sandbox.checkpoint_taken")
        .filter(({ turn_id, cause }) => turn_id === done.turn_id && cause === "restore")[1],
    "the answer again",
  );
  expect(again.checkpoint).toEqual(done.checkpoint);
  expect((await restore(tree)).done).toMatchObject({ checkpoint: null, error: null });
  const { done: failed } = await restore("1".repeat(40));
  expect(failed).toMatchObject({ checkpoint: null, error: expect.any(String) });
  expect(nativeTree()).toBe(tree);
});

test("both sides of what changed are kept, and a secret holds the push until somebody lets it go", async () => {
  const bare = host.create("secret", (worktree) => {
    writeFileSync(join(worktree, "a.txt"), "old\n");
    git(worktree, "add", "-A");
    git(worktree, "commit", "-q", "-m", "first");
  });
  platform.source = { ...emptySource, repo_url: host.url("secret"), target_branch: "main", branch: "ai/work" };
  await task.start(platform);
  await platform.next("sandbox.ready");
  const push = { url: host.url("secret"), branch: "ai/work", username: "token", password: "secret" };
  await sh("echo new > a.txt; printf 'a\\0b' > c.bin");
  const clean = await platform.takeCheckpoint(push);
  expect(clean.push.status).toBe("pushed");
  const bundle = platform.objects.get(clean.checkpoint?.blobs_key ?? "") ?? Buffer.alloc(0);
  const oid = (text: string) =>
    execFileSync("git", ["hash-object", "--stdin"], { input: text, encoding: "utf8" }).trim();
  const found = blobsIn(bundle, new Set([oid("old\n"), oid("new\n")]));
  expect([...found.values()].map(String).toSorted()).toEqual(["new\n", "old\n"]);

  await sh(`echo 'KEY=${"AKIA"}ABCDEFGHIJKLMNOP' > config.txt; echo X=1 > .env; echo X= > .env.example`);
  const held = await platform.takeCheckpoint(push);
  expect(held.push.status).toBe("held");
  expect(held.checkpoint?.secrets).toHaveLength(2);
  expect(held.checkpoint?.secrets).toContainEqual({ path: ".env", rule: "env_file" });
  expect(held.checkpoint?.secrets).toContainEqual({ path: "config.txt", rule: "aws_access_key" });
  await sh("rm config.txt .env; echo 2 > two");
  // Git's history would take it along.
  expect((await platform.takeCheckpoint(push)).push.status).toBe("held");
  expect(git(bare, "rev-parse", "ai/work")).toBe(clean.checkpoint?.commit);
  platform.send({
    type: "checkpoint.take",
    turn_id: "chk_go",
    message: "x",
    author: person,
    co_author: person,
    push,
    allow_secrets: true,
  });
  const gone = await platform.next("sandbox.checkpoint_pushed", ({ commit }) => commit === held.checkpoint?.commit);
  expect(gone.branch).toBe("ai/work");
  expect(git(bare, "log", "--format=%H", "ai/work")).toContain(held.checkpoint?.commit);
});
