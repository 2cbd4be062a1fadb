import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { emptySource } from "../../../shared/protocol/sandbox-frame.ts";
import { eachTestHas, gitHost, newTask, startPlatform } from "./support/each-test.ts";
import type { FakePlatform } from "./support/fake-platform.ts";
import { git } from "./support/git-host.ts";
import type { SandboxTask } from "./support/sandbox-task.ts";

jest.setTimeout(40_000);

const host = gitHost();
let platform: FakePlatform;
let task: SandboxTask;

eachTestHas((aPlatform, aTask) => ([platform, task] = [aPlatform, aTask]));

const pushTo = (branch: string) => ({ url: host.url("forked"), branch, username: "token", password: "secret" });

test("a fork that starts from packs of later checkpoints pushes nothing of those, and what it makes again", async () => {
  const bare = host.create("forked", (worktree) => {
    mkdirSync(join(worktree, "src"));
    writeFileSync(join(worktree, "src/a"), "a\n");
    git(worktree, "add", "-A");
    git(worktree, "commit", "-q", "-m", "first");
  });
  const base = git(bare, "rev-parse", "main");
  const source = { ...emptySource, repo_url: host.url("forked"), target_branch: "main", branch: "ai/work" };
  platform.source = source;
  await task.start(platform);
  await platform.next("sandbox.ready");
  const save = async (content: string) => {
    await platform.runTool("write", { file_path: "src/b", content });
    const { checkpoint } = await platform.takeCheckpoint();
    if (!checkpoint) throw new Error("no checkpoint");
    return checkpoint;
  };
  const first = await save("kept\n");
  const later = [await save("the secret\n"), await save("made twice\n")];
  await task.stop();

  const { objects } = platform;
  platform.stop();
  platform = await startPlatform();
  for (const [key, body] of objects) platform.objects.set(key, body);
  task = newTask();
  const pack_urls = [first, ...later].map(({ pack_key }) => platform.urlOf(pack_key));
  platform.source = { ...source, branch: "ai/fork", base_commit: base, commit: first.commit, pack_urls };
  await task.start(platform);
  await platform.next("sandbox.ready");
  await platform.runTool("bash", { command: "printf 'made twice\\n' > src/b" });
  const taken = await platform.takeCheckpoint(pushTo("ai/fork"));
  expect(taken.push).toMatchObject({ status: "pushed", branch: "ai/fork" });
  expect(git(bare, "show", "ai/fork:src/b")).toBe("made twice");
  expect(git(bare, "rev-list", "--count", `${base}..ai/fork`)).toBe("2");
  const all = git(bare, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split("\n");
  expect(all).not.toContain(later[0]?.commit);
  expect(git(bare, "fsck", "--full", "--unreachable")).not.toMatch(/error|missing|unreachable/);

  await platform.runTool("write", { file_path: "src/c", content: "more\n" });
  const next = await platform.takeCheckpoint(pushTo("ai/fork"));
  expect(next.push.status).toBe("pushed");
  expect(git(bare, "fsck", "--full", "--unreachable")).not.toMatch(/error|missing|unreachable/);
});
