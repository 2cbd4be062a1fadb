import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenOnLoopback } from "../../../infra/local/gateway/loopback.ts";
import { GitHost, git } from "../../integration/sandbox/support/git-host.ts";
import { hostileRepositories, RawRepository } from "./hostile.ts";
import { openSession } from "./session.ts";

jest.setTimeout(60_000);

const host = new GitHost();
const folder = mkdtempSync(join(tmpdir(), "hostile-"));
const marker = join(folder, "executed");
const heard: string[] = [];
let trap: Server;
let trapUrl = "";

beforeAll(async () => {
  await host.start();
  trap = createServer((request, response) => {
    heard.push(`${request.method} ${request.url} ${request.headers.authorization ?? ""}`);
    response.writeHead(200).end();
  });
  trapUrl = `http://127.0.0.1:${await listenOnLoopback(trap, 0)}`;
});
afterAll(() => {
  host.stop();
  trap.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  host.redirectTo = null;
  // The two promises of all of them: nothing of theirs ran, nobody else was spoken to.
  expect(existsSync(marker)).toBe(false);
  expect(heard).toEqual([]);
});

const credential = { username: "token", password: "a secret of this push" };

function create(name: string): RawRepository {
  const bare = host.create(name, (worktree) => {
    writeFileSync(join(worktree, "start"), "start\n");
    git(worktree, "add", "-A");
    git(worktree, "commit", "-q", "-m", "start");
  });
  return new RawRepository(bare);
}

/** What works must work to the end: unchanged it is unchanged, and a change is pushed. */
async function work(name: string, branch: string, bare: string): Promise<void> {
  const session = await openSession(host.url(name), branch);
  try {
    session.distrust();
    expect(await session.checkpoint()).toBeNull();
    writeFileSync(join(session.workspace, "work.txt"), "work\n");
    const taken = await session.checkpoint();
    const push = await session.push({ url: host.url(name), branch: "ai/work", ...credential });
    expect(push).toMatchObject({ status: "pushed", branch: "ai/work" });
    const changed = git(bare, "diff-tree", "-r", "--no-commit-id", "--name-only", "ai/work");
    expect([git(bare, "rev-parse", "ai/work"), changed]).toEqual([taken?.commit, "work.txt"]);
  } finally {
    session.close();
  }
}

test.each(hostileRepositories.map((repository, number) => ({ ...repository, number })))(
  "$name",
  async ({ make, refused, branch = "main", number }) => {
    const name = `hostile-${number}`;
    const raw = create(name);
    make(raw, { marker, trap: trapUrl });
    if (refused) await expect(openSession(host.url(name), branch)).rejects.toThrow(refused);
    else await work(name, branch, raw.bare);
    rmSync(raw.bare, { recursive: true, force: true });
  },
);

test("a host that sends elsewhere is not followed, with or without a credential", async () => {
  create("moved");
  host.redirectTo = trapUrl;
  await expect(openSession(host.url("moved"), "main")).rejects.toThrow(/git fetch failed/);
});

test("a git folder that people's code poisoned gets no credential and runs nothing", async () => {
  const { bare } = create("poisoned");
  const session = await openSession(host.url("poisoned"), "main");
  try {
    git(session.workspace, "init", "-q");
    const config = `[core]\n\tfsmonitor = touch ${marker}\n\tsshCommand = touch ${marker}\n\thooksPath = .git/hooks\n\tworktree = /\n\tattributesFile = ${session.workspace}/attributes\n[remote "origin"]\n\turl = ${trapUrl}/x.git\n\tpushurl = ${trapUrl}/x.git\n[branch "main"]\n\tpushRemote = ${trapUrl}/x.git\n[http]\n\tcorsProxy = ${trapUrl}\n\tproxy = ${trapUrl}\n[url "${trapUrl}/"]\n\tinsteadOf = http://\n\tpushInsteadOf = http://\n[credential]\n\thelper = "!touch ${marker}"\n[filter "evil"]\n\tclean = touch ${marker}\n\tsmudge = touch ${marker}\n[alias]\n\tfetch = !touch ${marker}\n`;
    writeFileSync(join(session.workspace, ".git/config"), config);
    writeFileSync(join(session.workspace, ".git/hooks/pre-push"), `#!/bin/sh\ntouch ${marker}\n`, { mode: 0o755 });
    writeFileSync(join(session.workspace, ".gitattributes"), "* filter=evil\n");
    await session.checkpoint();
    const push = await session.push({ url: host.url("poisoned"), branch: "ai/work", ...credential });
    expect(push.status).toBe("pushed");
    expect(git(bare, "ls-tree", "-r", "--name-only", "ai/work").split("\n")).toEqual([".gitattributes", "start"]);
  } finally {
    session.close();
  }
});
