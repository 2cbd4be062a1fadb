import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { emptySource } from "../../../shared/protocol/sandbox-frame.ts";
import { eachTestHas, newTask } from "./support/each-test.ts";
import type { FakePlatform } from "./support/fake-platform.ts";
import type { SandboxTask } from "./support/sandbox-task.ts";

// Each test starts real processes, which a busy machine takes its time for.
jest.setTimeout(40_000);

let platform: FakePlatform;
let task: SandboxTask;

eachTestHas((aPlatform, aTask) => ([platform, task] = [aPlatform, aTask]));

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

test("a last checkpoint that can not be stored is tried again until it is", async () => {
  await task.start(platform);
  await platform.next("sandbox.ready");
  writeFileSync(join(task.workspace, "late.txt"), "of nobody's turn");
  await platform.takeCheckpoint(null);
  writeFileSync(join(task.workspace, "later.txt"), "after the last turn");
  // An upload is tried three times by itself: it takes a second checkpoint to get over this.
  platform.refusePuts = 7;
  task.supervisor?.kill("SIGTERM");
  expect((await platform.next("sandbox.stopping")).reason).toBe("SIGTERM");
  const taken = platform.framesOf("sandbox.checkpoint_taken");
  expect(taken.at(-1)).toMatchObject({ cause: "stop", error: null, checkpoint: { stat: { files: 1 } } });
  expect(await task.ended()).toBe(0);
  expect(task.log).toContain("no last checkpoint");
});

test("idle, it stays for as long as its work can not be stored", async () => {
  platform.idleStopSeconds = 1;
  await task.start(platform);
  await platform.next("sandbox.ready");
  await platform.takeCheckpoint(null);
  platform.refusePuts = Number.POSITIVE_INFINITY;
  writeFileSync(join(task.workspace, "later.txt"), "after the last turn");
  await platform
    .until(() => (task.log.includes("no last checkpoint") ? true : undefined), "a try", 20_000)
    .catch(() => undefined);
  expect(task.log).toContain("no last checkpoint");
  expect(platform.framesOf("sandbox.stopping")).toEqual([]);
  platform.refusePuts = 0;
  expect((await platform.next("sandbox.stopping", undefined, 30_000)).reason).toBe("idle");
  expect(platform.framesOf("sandbox.checkpoint_taken").at(-1)).toMatchObject({ checkpoint: { stat: { files: 1 } } });
});

test("a checkpoint that is another tree than its row says is never worked on", async () => {
  await task.start(platform);
  await platform.next("sandbox.ready");
  writeFileSync(join(task.workspace, "a.txt"), "as it was");
  const { checkpoint } = await platform.takeCheckpoint(null);
  if (!checkpoint) throw new Error("no checkpoint");
  await task.stop();
  const source = { ...emptySource, commit: checkpoint.commit, pack_urls: [platform.urlOf(checkpoint.pack_key)] };
  for (const [tree, fits] of [
    [checkpoint.tree, true],
    ["f".repeat(40), false],
  ] as const) {
    platform.frames.length = 0;
    platform.source = { ...source, tree };
    task = newTask();
    await task.start(platform);
    if (fits) {
      expect(await platform.next("sandbox.ready")).toMatchObject({ restored_commit: checkpoint.commit });
      const git = (...args: string[]) =>
        execFileSync("git", args, {
          cwd: task.workspace,
          env: { ...process.env, GIT_DIR: join(task.folder, "judge") },
          encoding: "utf8",
        });
      git("init", "--quiet");
      git("--work-tree=.", "add", "-A");
      expect(git("write-tree").trim()).toBe(tree);
    } else {
      expect((await platform.next("sandbox.failed")).message).toContain(`is tree ${tree}`);
      expect(platform.framesOf("sandbox.ready")).toEqual([]);
      expect(await task.ended()).toBe(1);
    }
    await task.stop();
  }
});

test("one that waits becomes the session that it is told, once, and proves it like one that was launched for it", async () => {
  task.startToolbox();
  await task.startSupervisor(platform, { TENANT_ID: "ten_00000000000000000000000000", SESSION_ID: "pool-1" });
  await platform.next("sandbox.hello");
  expect(platform.redeemed).toMatchObject({ session_id: "pool-1", boot_secret: "boot-secret" });
  expect(platform.framesOf("sandbox.ready")).toEqual([]);
  const adopt = { type: "adopt", tenant_id: "t", session_id: "s", epoch: 3, boot_secret: "of the session" };
  platform.send(adopt);
  platform.send({ ...adopt, session_id: "another" });
  await platform.next("sandbox.ready");
  expect(platform.redeemed).toEqual({ tenant_id: "t", session_id: "s", epoch: 3, boot_secret: "of the session" });
  platform.send({ ...adopt, session_id: "another" });
  expect((await platform.runTool("bash", { command: "env; cat /proc/self/environ" })).output).not.toContain(
    "of the session",
  );
  expect(platform.redeemed).toMatchObject({ session_id: "s" });
  expect(platform.framesOf("sandbox.hello")).toHaveLength(2);
  expect(task.log).not.toContain("of the session");
  task.supervisor?.kill("SIGTERM");
  expect((await platform.next("sandbox.stopping")).reason).toBe("SIGTERM");
});

test("one that waits goes on on the link that it has; cut off before it has a token, it redeems the session's secret", async () => {
  task.startToolbox();
  await task.startSupervisor(platform, { TENANT_ID: "ten_00000000000000000000000000", SESSION_ID: "pool-1" });
  expect(await platform.next("sandbox.hello")).toMatchObject({ adopts_in_place: true });
  platform.send({ type: "adopt", tenant_id: "t", session_id: "s", epoch: 3, boot_secret: "its own", in_place: true });
  await platform.next("sandbox.ready");
  expect(platform.framesOf("sandbox.hello")).toHaveLength(2);
  expect(platform.authorizations).toHaveLength(1);
  expect(platform.redeemed).toMatchObject({ session_id: "pool-1" });
  platform.dropLinks();
  await platform.until(() => platform.authorizations[1], "a second link");
  expect(platform.redeemed).toMatchObject({ session_id: "s", epoch: 3, boot_secret: "its own" });
  expect((await platform.runTool("bash", { command: "echo on" })).output).toContain("on");
});

test("one that waits has all that an empty workspace needs: adopted with a welcome it says neither hello nor ready", async () => {
  task.startToolbox();
  await task.startSupervisor(platform, { TENANT_ID: "ten_00000000000000000000000000", SESSION_ID: "pool-1" });
  expect(await platform.next("sandbox.hello")).toMatchObject({ adopts_in_place: true, is_prepared: true });
  const network = { policy: "none", allow: [] };
  const configuration = { network, setup: ["echo made > made"], environment: {}, secret: [], missing: [] };
  const welcome = {
    session_id: "s",
    epoch: 3,
    source: emptySource,
    preview_key: "p",
    idle_stop_seconds: 3600,
    configurable: true,
    configuration,
  };
  platform.send({
    type: "adopt",
    tenant_id: "t",
    session_id: "s",
    epoch: 3,
    boot_secret: "its own",
    in_place: true,
    welcome,
  });
  expect((await platform.runTool("bash", { command: "cat made" })).output).toContain("made");
  expect(platform.framesOf("sandbox.hello")).toHaveLength(1);
  expect(platform.framesOf("sandbox.ready")).toEqual([]);
  // What was changed while the adoption was on its way is known soon after.
  await platform.next("sandbox.read_configuration");
  platform.dropLinks();
  await platform.until(() => platform.authorizations[1], "a second link");
  expect(platform.redeemed).toMatchObject({ session_id: "s", epoch: 3, boot_secret: "its own" });
  expect((await platform.runTool("bash", { command: "echo on" })).output).toContain("on");
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
    task = newTask({ supervisor: 1001, toolbox: 1000 });
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
