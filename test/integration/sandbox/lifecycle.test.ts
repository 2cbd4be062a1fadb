import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { FakePlatform } from "./support/fake-platform.ts";
import { SandboxTask } from "./support/sandbox-task.ts";

// Each test starts real processes, which a busy machine takes its time for.
jest.setTimeout(40_000);

let platform: FakePlatform;
let task: SandboxTask;

beforeEach(async () => {
  platform = new FakePlatform();
  await platform.start();
  task = new SandboxTask();
});
afterEach(async () => {
  await task.stop();
  platform.stop();
});

test.each(["supervisor", "toolbox"])("%s --version", (name) => {
  const main = resolve(import.meta.dirname, `../../../containers/sandbox/src/${name}/main.ts`);
  const out = execFileSync(process.execPath, ["--import", "tsx", main, "--version"], {
    env: { PATH: process.env["PATH"] },
  });
  expect(out.toString()).toBe("0.1.0\n");
});

test("a refused boot secret ends the process", async () => {
  platform.refuseWith = 401;
  await task.start(platform);
  expect(await task.ended()).toBe(1);
  expect(platform.frames).toEqual([]);
  expect(task.log).not.toContain("boot-secret");
});

test("an epoch that is over ends the process at its next connect", async () => {
  await task.start(platform);
  await platform.next("sandbox.ready");
  platform.refuseWith = 403;
  platform.dropLinks();
  expect(await task.ended()).toBe(1);
});

test("a platform that is away is tried again", async () => {
  platform.refuseWith = 503;
  await task.start(platform);
  await platform.until(() => (platform.redeemed ? true : undefined), "a try");
  platform.refuseWith = null;
  await platform.next("sandbox.ready");
});

test("the token is renewed over the link, and the next link uses the new one", async () => {
  platform.tokenLifeSeconds = 1;
  await task.start(platform);
  await platform.next("sandbox.ready");
  await platform.next("sandbox.renew_token");
  platform.tokenLifeSeconds = 900;
  const renewed = platform.framesOf("sandbox.renew_token").length;
  await platform.until(
    () => (platform.framesOf("sandbox.renew_token").length > renewed ? true : undefined),
    "another renewal",
  );
  platform.dropLinks();
  await platform.until(() => platform.authorizations[1], "a reconnect");
  expect(platform.authorizations[1]).toBe("Bearer renewed-1");
});

test("nothing to do for long: it says so and ends; a running tool keeps it", async () => {
  platform.idleStopSeconds = 1;
  await task.start(platform);
  await platform.next("sandbox.ready");
  await platform.runTool("bash", { command: "sleep 1.6" });
  expect(platform.framesOf("sandbox.stopping")).toEqual([]);
  expect((await platform.next("sandbox.stopping")).reason).toBe("idle");
  expect(await task.ended()).toBe(0);
});

test.each(["SIGTERM", "the platform"])("stopped by %s: it says so and ends", async (by) => {
  await task.start(platform);
  await platform.next("sandbox.ready");
  if (by === "SIGTERM") task.supervisor?.kill("SIGTERM");
  else platform.send({ type: "stop", reason: by });
  expect((await platform.next("sandbox.stopping")).reason).toBe(by);
  expect(await task.ended()).toBe(0);
});

test("what changed after the last turn is in a checkpoint before the container goes", async () => {
  await task.start(platform);
  await platform.next("sandbox.ready");
  writeFileSync(join(task.workspace, "first.txt"), "of the turn");
  const turn = await platform.takeCheckpoint(null);
  writeFileSync(join(task.workspace, "second.txt"), "of nobody's turn");
  task.supervisor?.kill("SIGTERM");
  await platform.next("sandbox.stopping");
  expect(await task.ended()).toBe(0);
  const taken = platform.framesOf("sandbox.checkpoint_taken");
  expect(taken).toHaveLength(2);
  expect(taken[1]).toMatchObject({
    turn_id: turn.turn_id,
    checkpoint: { parent_commit: turn.checkpoint?.commit, stat: { files: 1, insertions: 1 } },
  });
  const types = platform.frames.map(({ type }) => type);
  expect(types.lastIndexOf("sandbox.checkpoint_taken")).toBeLessThan(types.indexOf("sandbox.stopping"));
});

test("files that a process changes are told apart from the assistant's", async () => {
  await task.start(platform);
  await platform.next("sandbox.ready");
  mkdirSync(join(task.workspace, "node_modules/p"), { recursive: true });
  writeFileSync(join(task.workspace, "node_modules/p/i.js"), "");
  writeFileSync(join(task.workspace, "a.txt"), "a");
  const changed = await platform.next("sandbox.files_changed");
  expect(changed).toMatchObject({ by: "process", changes: [{ path: "a.txt", kind: "created" }], more: 0 });
  const run = platform.runTool("bash", { command: "for n in $(seq 150); do echo $n > f$n; done; sleep 0.6" });
  const many = await platform.next("sandbox.files_changed", (frame) => frame.by === "assistant");
  expect(many.changes.length).toBe(100);
  expect(many.more).toBeGreaterThan(0);
  await run;
});

// Only root can start processes as two other users.
const asRoot = process.getuid?.() === 0 ? test : test.skip;

asRoot(
  "two users (as root): private files of the toolbox reach the checkpoint, the supervisor's state stays private",
  async () => {
    await task.stop();
    task = new SandboxTask({ supervisor: 1001, toolbox: 1000 });
    await task.start(platform);
    await platform.next("sandbox.ready");
    await platform.runTool("write", { file_path: "by/tool.txt", content: "tool\n" });
    await platform.runTool("bash", {
      command:
        "id -u; mkdir -m 700 private && echo secret > private/file && chmod 600 private/file && mkdir -p open && echo x > open/y",
    });
    const hidden = await platform.runTool("bash", { command: `cat ${task.state}/git/HEAD || ls ${task.state}` });
    expect(hidden).toMatchObject({ is_error: true });
    expect(hidden.output).toContain("Permission denied");
    const first = await platform.takeCheckpoint();
    expect(first).toMatchObject({ error: null, checkpoint: { stat: { files: 3 } } });
    await platform.runTool("bash", {
      command: "echo more >> private/file; echo new > private/other; chmod 600 private/*",
    });
    const second = await platform.takeCheckpoint();
    expect(second).toMatchObject({ error: null, checkpoint: { stat: { files: 2, insertions: 2, deletions: 0 } } });
    expect(existsSync(join(task.state, "git/HEAD"))).toBe(true);
    expect(readFileSync(join(task.workspace, "by/tool.txt"), "utf8")).toBe("tool\n");
  },
  30_000,
);
