import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Checkpoints, type TakeCheckpoint } from "../../../containers/sandbox/src/supervisor/git/checkpoints.ts";
import { Pusher } from "../../../containers/sandbox/src/supervisor/git/pusher.ts";
import { prepareWorkspace } from "../../../containers/sandbox/src/supervisor/workspace/prepare.ts";
import { Workspace } from "../../../containers/sandbox/src/supervisor/workspace/workspace.ts";
import type { OutgoingFrame, PlatformLink } from "../../../containers/sandbox/src/supervisor/platform/platform-link.ts";
import { emptySource } from "../../../shared/protocol/sandbox-frame.ts";
import { git, GitHost } from "./support/git-host.ts";

type Taken = Extract<OutgoingFrame, { type: "sandbox.checkpoint_taken" }>;

const host = new GitHost();
beforeAll(() => host.start());
afterAll(() => host.stop());
let close = (): void => undefined;
afterEach(() => close());

const person = { name: "Ada", email: "ada@example.com" };

/** A session's checkpoints with a real repository to push to; what the platform would hear is kept. */
async function started(name: string, request: PlatformLink["request"] = async () => ({})) {
  const bare = host.create(name, (worktree) => {
    writeFileSync(join(worktree, "a.txt"), "old\n");
    git(worktree, "add", "-A");
    git(worktree, "commit", "-q", "-m", "first");
  });
  const folder = mkdtempSync(join(tmpdir(), "held-push-"));
  const path = join(folder, "workspace");
  mkdirSync(path);
  const source = { ...emptySource, repo_url: host.url(name), target_branch: "main" };
  const { store, stats, root, history } = await prepareWorkspace(source, path, folder);
  const told: OutgoingFrame[] = [];
  const asked: OutgoingFrame[] = [];
  const link: Pick<PlatformLink, "sendDurable" | "request"> = {
    sendDurable: (frame) => void told.push(structuredClone(frame)),
    request: async (frame, timeoutMs) => {
      asked.push(structuredClone(frame));
      return request(frame, timeoutMs);
    },
  };
  const silent = { onFilesChanged: () => undefined, share: async () => undefined };
  const workspace = new Workspace({ path, markFolder: join(folder, "marks"), store, stats, root, ...silent });
  workspace.watch();
  const onPushed = (commit: string, branch: string): void =>
    link.sendDurable({ type: "sandbox.checkpoint_pushed", commit, branch });
  const pusher = new Pusher({ history, random: () => 0, onPushed });
  const uploads = { put: async (purpose: string) => `tenants/t/sessions/s/${purpose}s/${randomUUID()}` };
  const state = { workspace, path, stats, history, pusher, isFirst: false, hasRemote: true, isHeld: false };
  const nobody = { onRestoring: () => undefined, onBroken: () => undefined, share: async () => undefined };
  const others = { checkpointAs: undefined, uploads, now: Date.now };
  const checkpoints = new Checkpoints({ link, ...state, ...nobody, ...others });
  const push = { url: host.url(name), branch: "ai/work", username: "token", password: "secret" };
  const take = async (more: Partial<TakeCheckpoint> = {}): Promise<Taken> => {
    const by = { message: "m", author: person, co_author: person, push };
    await checkpoints.take({ type: "checkpoint.take", turn_id: `turn_${randomUUID()}`, ...by, ...more });
    return told.findLast((frame) => frame.type === "sandbox.checkpoint_taken")!;
  };
  close = () => {
    workspace.close();
    pusher.close();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  };
  const write = (file: string, text: string): void => writeFileSync(join(path, file), text);
  /** Whether the host has the object, on a branch or not. */
  const hasObject = (oid: string): boolean => {
    try {
      git(bare, "cat-file", "-e", oid);
      return true;
    } catch {
      return false;
    }
  };
  return { bare, path, push, checkpoints, take, write, hasObject, told, asked };
}

async function until(done: () => boolean): Promise<void> {
  for (const startedAt = Date.now(); !done() && Date.now() - startedAt < 8_000;)
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(done()).toBe(true);
}

test("a push that is tried again takes along no commit that is held meanwhile", async () => {
  const { take, write, bare, hasObject, told } = await started("again");
  host.refuseWith = 503;
  write("a.txt", "harmless\n");
  const harmless = await take();
  expect(harmless.push.status).toBe("pending");
  write(".env", "KEY=1\n");
  const held = await take();
  expect(held.push.status).toBe("held");
  host.refuseWith = null;
  await until(() => told.some(({ type }) => type === "sandbox.checkpoint_pushed"));
  expect(told.filter(({ type }) => type === "sandbox.checkpoint_pushed")).toMatchObject([
    { commit: harmless.checkpoint?.commit },
  ]);
  expect(git(bare, "rev-parse", "ai/work")).toBe(harmless.checkpoint?.commit);
  expect(hasObject(held.checkpoint?.commit ?? "")).toBe(false);
});

test("who lets go what is held lets nothing go that is found while the files are saved for a restore", async () => {
  const { checkpoints, take, write, push, hasObject, told, asked } = await started("found");
  write("a.txt", "new\n");
  const clean = await take();
  write(".env", "KEY=1\n");
  const held = await take();
  write("id_rsa", "another secret\n");
  await checkpoints.restore({
    type: "checkpoint.restore",
    operation_id: "chk_back",
    tree: clean.checkpoint?.tree ?? "",
    message: "Restore",
    before_message: "Before",
    author: person,
    co_author: person,
    push,
    allow_secrets: true,
  });
  const [before] = asked as Taken[];
  expect(before).toMatchObject({
    cause: "before",
    checkpoint: { secrets: [{ path: "id_rsa" }] },
    push: { status: "held" },
  });
  expect(told.at(-1)).toMatchObject({ cause: "restore", error: null, push: { status: "held" } });
  expect([held, before!].map(({ checkpoint }) => hasObject(checkpoint?.commit ?? ""))).toEqual([false, false]);
  // The one that was let go leaves with what is let go next.
  write("a.txt", "newer\n");
  const pushed = await take({ allow_secrets: true });
  expect(pushed.push.status).toBe("pushed");
  const arrived = told.filter(({ type }) => type === "sandbox.checkpoint_pushed");
  expect(arrived).toContainEqual(expect.objectContaining({ commit: held.checkpoint?.commit }));
});

test("what was saved before a restore reaches the log, however long the platform does not answer", async () => {
  const silent: PlatformLink["request"] = () => Promise.reject(new Error("no answer in 60000 ms"));
  const { checkpoints, take, write, told, asked } = await started("silent", silent);
  write("a.txt", "new\n");
  const first = await take();
  write("a.txt", "newer\n");
  await checkpoints.restore({
    type: "checkpoint.restore",
    operation_id: "chk_silent",
    tree: first.checkpoint?.tree ?? "",
    message: "Restore",
    before_message: "Before",
    author: person,
    co_author: person,
    push: null,
  });
  const [before] = asked as Taken[];
  expect(before?.checkpoint?.parent_commit).toBe(first.checkpoint?.commit);
  expect(told.slice(1)).toMatchObject([before, { turn_id: "chk_silent", cause: "restore", error: expect.any(String) }]);
  // What comes next stands on it.
  write("a.txt", "newest\n");
  expect((await take()).checkpoint?.parent_commit).toBe(before?.checkpoint?.commit);
});
