import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { controlKeyHeader, doorPath } from "../../../../shared/protocol/door.ts";
import { mergeTarget, type MergeBody, type MergeResult } from "../../../../shared/protocol/merge.ts";
import { emptySource } from "../../../../shared/protocol/sandbox-frame.ts";
import { eachTestHas, gitHost, newTask } from "./each-test.ts";
import type { FakePlatform } from "./fake-platform.ts";
import { git } from "./git-host.ts";
import type { SandboxTask } from "./sandbox-task.ts";

export const credential = { username: "robot", password: "one-push" };
const person = { name: "Ada", email: "ada@example.com" };

export const lines = (...changed: [number, string][]) =>
  Array.from({ length: 20 }, (_, at) => changed.find(([line]) => line === at)?.[1] ?? `line ${at}`).join("\n") + "\n";

/** Each test has a sandbox of a repository of its own, whose target branch others change, too. */
export function mergeWorld() {
  const host = gitHost();
  let platform: FakePlatform;
  let task: SandboxTask;
  let ids = 0;
  eachTestHas((aPlatform, aTask) => ([platform, task] = [aPlatform, aTask]));

  async function merge(name: string, more: Partial<MergeBody> = {}): Promise<MergeResult | { code: string }> {
    const body: MergeBody = {
      id: `chk_merge${(ids += 1)}`,
      url: host.url(name),
      target_branch: "main",
      credential: null,
      message: "Merge main",
      author: person,
      co_author: person,
      push: { url: host.url(name), branch: "work", ...credential },
      allow_secrets: false,
      keep_conflicts: false,
      into: null,
      ...more,
    };
    const response = await fetch(`http://127.0.0.1:${task.previewPort}${doorPath}${mergeTarget.name}`, {
      method: "POST",
      headers: { [controlKeyHeader]: platform.controlKey, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer = (await response.json()) as { result?: unknown; error?: { code: string } };
    return answer.error ? { code: answer.error.code } : mergeTarget.result.parse(answer.result);
  }

  /** A repository, and how somebody else commits to its main branch. */
  function repository(name: string) {
    const bare = host.create(name, (worktree) => {
      writeFileSync(join(worktree, "both.txt"), lines());
      writeFileSync(join(worktree, "gone.txt"), "gone\n");
      writeFileSync(join(worktree, "picture.bin"), Buffer.from([1, 0, 2]));
      git(worktree, "add", "-A");
      git(worktree, "commit", "-q", "-m", "first");
    });
    return {
      bare,
      commit(change: (worktree: string) => void): string {
        const worktree = mkdtempSync(join(tmpdir(), "merge-other-"));
        git(worktree, "clone", "-q", bare, ".");
        change(worktree);
        git(worktree, "add", "-A");
        git(worktree, "commit", "-q", "-m", "theirs");
        git(worktree, "push", "-q", "origin", "HEAD:main");
        rmSync(worktree, { recursive: true, force: true });
        return git(bare, "rev-parse", "main");
      },
    };
  }

  async function start(name: string): Promise<void> {
    platform.source = { ...emptySource, repo_url: host.url(name), target_branch: "main", is_first: true };
    await task.start(platform);
    await platform.next("sandbox.ready");
  }

  /** The next container of the session: from the newest checkpoint, as the log has it. */
  async function restart(how: "killed" | "stopped"): Promise<void> {
    const ready = platform.framesOf("sandbox.ready")[0];
    if (how === "killed") task.supervisor?.kill("SIGKILL");
    else {
      platform.send({ type: "stop", reason: "idle" });
      await task.ended();
    }
    await task.stop();
    const taken = platform.framesOf("sandbox.checkpoint_taken").flatMap(({ checkpoint }) => checkpoint ?? []);
    const newest = taken.at(-1);
    platform.frames.length = 0;
    platform.source = {
      ...platform.source,
      base_commit: ready?.base_commit ?? null,
      commit: newest?.commit ?? null,
      pack_urls: [...new Set(taken.map(({ pack_key }) => platform.urlOf(pack_key)))],
      merging: newest?.merging,
    };
    task = newTask();
    await task.start(platform);
    await platform.next("sandbox.ready");
  }

  const sh = (command: string) => platform.runTool("bash", { command });
  const read = (name: string) => readFileSync(join(task.workspace, name), "utf8");
  /** Frames with a checkpoint: others only say how it goes. */
  const saved = () => platform.framesOf("sandbox.checkpoint_taken").filter(({ checkpoint }) => checkpoint !== null);
  const merges = () => saved().filter(({ cause }) => cause === "merge");

  return {
    host,
    merge,
    repository,
    start,
    restart,
    sh,
    read,
    saved,
    merges,
    get platform() {
      return platform;
    },
    get task() {
      return task;
    },
  };
}
