import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenOnLoopback } from "../../../infra/local/gateway/loopback.ts";
import { emptySource } from "../../../shared/protocol/sandbox-frame.ts";
import { FakePlatform } from "../../integration/sandbox/support/fake-platform.ts";
import { GitHost, git } from "../../integration/sandbox/support/git-host.ts";
import { SandboxTask } from "../../integration/sandbox/support/sandbox-task.ts";
import { hostileRepositories, RawRepository } from "./hostile.ts";

jest.setTimeout(60_000);

const host = new GitHost();
const platform = new FakePlatform();
const task = new SandboxTask();
const folder = mkdtempSync(join(tmpdir(), "hostile-"));
const marker = join(folder, "executed");
const heard: string[] = [];
let trap: Server;

beforeAll(async () => {
  await host.start();
  await platform.start();
});
afterAll(async () => {
  await task.stop();
  platform.stop();
  host.stop();
  trap.close();
  rmSync(folder, { recursive: true, force: true });
});

test("a sandbox on hostile content: the supervisor runs none of it, and its credential reaches the repository's host alone", async () => {
  trap = createServer((request, response) => void (heard.push(String(request.url)), response.end()));
  const trapUrl = `http://127.0.0.1:${await listenOnLoopback(trap, 0)}`;
  const raw = new RawRepository(
    host.create("hostile", (worktree) => {
      writeFileSync(join(worktree, "start"), "start\n");
      git(worktree, "add", "-A");
      git(worktree, "commit", "-q", "-m", "start");
    }),
  );
  hostileRepositories.find(({ name }) => name.startsWith("a bare repository"))?.make(raw, { marker, trap: trapUrl });
  platform.source = { ...emptySource, repo_url: host.url("hostile"), target_branch: "main", branch: "ai/work" };
  await task.start(platform);
  await platform.next("sandbox.ready", undefined, 40_000);
  expect(existsSync(marker)).toBe(false);

  const poison = `git init -q -b x nested; printf '[core]\\n\\tfsmonitor = touch ${marker}\\n[http]\\n\\tproxy = ${trapUrl}\\n' | tee -a nested/.git/config > .gitconfig; mkdir -p .git; cp .gitconfig .git/config; echo work > work.txt`;
  expect(await platform.runTool("bash", { command: poison })).toMatchObject({ is_error: false });
  const target = { url: host.url("hostile"), branch: "ai/work", username: "token", password: "secret" };
  const taken = await platform.takeCheckpoint(target);
  expect(taken).toMatchObject({ error: null, push: { status: "pushed", branch: "ai/work" } });
  expect(git(raw.bare, "diff", "--name-only", "main", "ai/work").split("\n")).toEqual([".gitconfig", "work.txt"]);
  expect(existsSync(marker)).toBe(false);
  expect(heard).toEqual([]);
});
