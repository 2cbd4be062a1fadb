import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { FakePlatform } from "./support/fake-platform.ts";
import { SandboxTask, freePort } from "./support/sandbox-task.ts";

// Each test starts real processes, which a busy machine takes its time for.
jest.setTimeout(40_000);

const platform = new FakePlatform();
const task = new SandboxTask();
const major = Number(process.versions.node.split(".")[0]);

beforeAll(async () => {
  await platform.start();
  await task.start(platform);
  await platform.next("sandbox.ready");
}, 30_000);

afterAll(async () => {
  await task.stop();
  platform.stop();
});

const bash = (command: string, more: Record<string, unknown> = {}) => platform.runTool("bash", { command, ...more });

test("the boot secret is exchanged for a token, the link says who it is, an empty workspace is ready", () => {
  expect(platform.redeemed).toEqual({
    tenant_id: "tenant",
    session_id: "session",
    epoch: 1,
    boot_secret: "boot-secret",
  });
  expect(platform.authorizations).toEqual(["Bearer first-token"]);
  expect(platform.frames[0]).toMatchObject({ type: "sandbox.hello", version: "0.1.0", private_ip: "127.0.0.1" });
  expect(platform.framesOf("sandbox.ready")[0]).toMatchObject({ restored_commit: null, base_commit: null });
});

test("bash keeps its state, streams its output and names its failures as the SDK does", async () => {
  const first = await bash("cd /tmp && export A=1; echo out; echo err >&2");
  expect(first).toMatchObject({ is_error: false, output: "out\nerr", output_bytes: 7, object_key: null });
  expect(first.nonce).toBe(`nonce-${first.call_id}`);
  expect(await bash("pwd; echo $A")).toMatchObject({ output: "/tmp\n1" });
  expect(await bash("false")).toMatchObject({ is_error: true, output: "exit 1" });
  expect(await bash("echo why; exit 3")).toMatchObject({ is_error: true, output: "why\nexit 3" });
  expect(await bash("pwd")).toMatchObject({ output: task.workspace });
}, 30_000);

test("a syntax error ends the call, not the shell", async () => {
  await bash("export KEPT=yes");
  const broken = await bash("echo 'never closed");
  expect(broken).toMatchObject({ is_error: true });
  expect(broken.output).toContain("unexpected EOF");
  expect(await bash("echo $KEPT; cat")).toMatchObject({ is_error: false, output: "yes" });
}, 30_000);

test("live output comes while the command runs", async () => {
  const run = bash("for n in 1 2 3; do echo line $n; sleep 0.3; done");
  const seen = await platform.next("sandbox.tool_output", (frame) => frame.text.includes("line 1"));
  expect(platform.framesOf("sandbox.tool_completed").some((frame) => frame.call_id === seen.call_id)).toBe(false);
  const { output, call_id } = await run;
  const live = platform.framesOf("sandbox.tool_output").filter((frame) => frame.call_id === call_id);
  expect(live.map((frame) => frame.text).join("")).toBe(output);
  expect(live.map((frame) => frame.offset)).toEqual(
    live.map((_, index) => live.slice(0, index).reduce((sum, frame) => sum + frame.text.length, 0)),
  );
});

test("a flood is cut live and inline, and kept whole in object storage up to its cap", async () => {
  const { output, output_bytes, object_key, call_id, is_error } = await bash(
    "yes 0123456789 | head -c 12000000; echo end",
  );
  expect(is_error).toBe(false);
  expect(Buffer.byteLength(output)).toBeLessThanOrEqual(30 * 1024);
  expect(output).toMatch(/^0123456789\n[^]*bytes left out[^]*end$/);
  const whole = platform.objects.get(object_key ?? "");
  expect(whole?.length).toBe(output_bytes);
  expect(output_bytes).toBeGreaterThan(9_000_000);
  expect(output_bytes).toBeLessThanOrEqual(10 * 1024 * 1024);
  expect(whole?.toString()).toMatch(/end$/);
  const live = platform.framesOf("sandbox.tool_output").filter((frame) => frame.call_id === call_id);
  expect(Math.max(...live.map((frame) => Buffer.byteLength(frame.text)))).toBeLessThanOrEqual(16 * 1024);
  expect(live.reduce((sum, frame) => sum + Buffer.byteLength(frame.text), 0)).toBeLessThanOrEqual(256 * 1024);
}, 30_000);

test("control characters cannot make a frame too large", async () => {
  const { output, output_bytes } = await bash("head -c 30000 /dev/zero | tr '\\0' '\\1'");
  expect(output_bytes).toBe(30_000);
  expect(Buffer.byteLength(JSON.stringify(output))).toBeLessThan(128 * 1024);
});

test("the SDK's file tools work, and what they write is open to both users", async () => {
  expect(await platform.runTool("write", { file_path: "src/new/a.txt", content: "one\ntwo\n" })).toMatchObject({
    is_error: false,
  });
  expect(statSync(join(task.workspace, "src/new/a.txt")).mode & 0o444).toBe(0o444);
  expect(statSync(join(task.workspace, "src/new")).mode & 0o777).toBe(0o777);
  expect(
    await platform.runTool("edit", { file_path: "src/new/a.txt", old_string: "two", new_string: "three" }),
  ).toMatchObject({ is_error: false });
  expect(await platform.runTool("read", { file_path: "src/new/a.txt" })).toMatchObject({ output: "one\nthree\n" });
  expect((await platform.runTool("grep", { pattern: "thr.e" })).output).toContain("a.txt:2:three");
  expect(await platform.runTool("read", { file_path: "../../etc/passwd" })).toMatchObject({ is_error: true });
  expect(await platform.runTool("nonsense", {})).toMatchObject({ is_error: true, output: "there is no tool nonsense" });
  const changed = await platform.next("sandbox.files_changed", (frame) =>
    frame.changes.some(({ path }) => path === "src/new/a.txt"),
  );
  expect(changed.changes.find(({ path }) => path === "src/new/a.txt")?.kind).toBe("created");
});

// The sandbox always has such a Node; only the tests may be run with an older one.
(major >= 22 ? test : test.skip)("glob finds files (the SDK's tool needs Node 22)", async () => {
  await platform.runTool("write", { file_path: "globbed/x.md", content: "x" });
  expect((await platform.runTool("glob", { pattern: "**/*.md" })).output).toContain("globbed/x.md");
});

test("the shell's environment holds no secrets, and HOME is outside the workspace", async () => {
  const { output } = await bash("env; echo HOME=$HOME");
  expect(output).not.toMatch(/SECRET|TOKEN|BOOT/);
  expect(output).toContain("TERM=dumb");
  expect(output).not.toContain(`HOME=${task.workspace}`);
});

/** A run whose input the sandbox has to fetch first. */
function runFetched(call_id: string, name: string, input: Record<string, unknown>) {
  platform.objects.set(call_id, Buffer.from(JSON.stringify(input)));
  const input_url = platform.urlOf(call_id);
  platform.send({ type: "tool.run", call_id, nonce: "n", name, input: null, input_url, timeout_ms: 5000 });
  return platform.next("sandbox.tool_completed", (frame) => frame.call_id === call_id);
}

test("input that is too large for a message is fetched", async () => {
  expect(await runFetched("by-url", "bash", { command: "echo fetched" })).toMatchObject({ output: "fetched" });
});

test("a call that takes longer to begin is not overtaken by the one after it", async () => {
  const wrote = runFetched("slow-to-begin", "write", { file_path: "in-order", content: "first" });
  const [, read] = await Promise.all([wrote, bash("cat in-order; rm in-order")]);
  expect(read).toMatchObject({ is_error: false, output: "first" });
});

test("one whose input cannot be had fails, and the one after it runs", async () => {
  const failing = runFetched("no-input", "bash", { command: "echo never" });
  platform.objects.delete("no-input");
  const [failed, after] = await Promise.all([failing, bash("echo after")]);
  expect(failed.is_error).toBe(true);
  expect(after).toMatchObject({ is_error: false, output: "after" });
});

test("time-out and cancel end the command, and spare the server of an earlier call", async () => {
  const port = await freePort();
  writeFileSync(
    join(task.workspace, "server.mjs"),
    `import http from "node:http"; http.createServer((q, s) => s.end("hello " + q.url + " " + (q.headers["x-sandbox-preview-key"] ?? "no key"))).listen(${port}, "127.0.0.1", () => console.log("up"));`,
  );
  const started = await bash(`${process.execPath} server.mjs & echo started`);
  expect(started).toMatchObject({ is_error: false });
  expect((await platform.next("sandbox.port_opened", (frame) => frame.port === port)).port).toBe(port);

  const late = await bash("echo before; sleep 60; echo after", { timeout_ms: 300 });
  expect(late).toMatchObject({ is_error: true, output: "before\nbash: bash command timed out after 300ms" });
  const cancelled = bash("sleep 61.25 & setsid sleep 62.25 & sleep 63.25");
  await untilRunning("sleep 63.25", true);
  const [running] = platform.framesOf("sandbox.tool_completed").slice(-1);
  expect(running?.call_id).toBe(late.call_id);
  platform.send({ type: "tool.cancel", call_id: lastCallId() });
  expect(await cancelled).toMatchObject({ is_error: true, output: "bash: cancelled" });
  for (const seconds of ["61.25", "62.25", "63.25"]) await untilRunning(`sleep ${seconds}`, false);

  const preview = (headers: Record<string, string>, path = "/x?y=1") =>
    fetch(`http://127.0.0.1:${task.previewPort}${path}`, { headers });
  const seen = await preview({ "x-sandbox-preview-key": "preview-key", "x-sandbox-port": String(port) });
  expect([seen.status, await seen.text()]).toEqual([200, "hello /x?y=1 no key"]);
  expect((await preview({ "x-sandbox-preview-key": "wrong", "x-sandbox-port": String(port) })).status).toBe(403);
  expect((await preview({ "x-sandbox-port": String(port) })).status).toBe(403);
  const nobody = await preview({ "x-sandbox-preview-key": "preview-key", "x-sandbox-port": String(await freePort()) });
  expect(nobody.status).toBe(502);
  expect(await nobody.text()).toContain("Nothing listens on port");
  expect(platform.framesOf("sandbox.port_closed").filter((frame) => frame.port === port)).toEqual([]);
  expect(await bash("echo", { restart: true })).toMatchObject({ is_error: false });
  expect((await platform.next("sandbox.port_closed", (frame) => frame.port === port)).port).toBe(port);
  expect((await preview({ "x-sandbox-preview-key": "preview-key", "x-sandbox-port": String(port) })).status).toBe(502);
}, 30_000);

test("a cancellation that overtakes its call keeps it from running", async () => {
  const call_id = "call_overtaken";
  const input = { command: `touch ${join(task.workspace, "overtaken")}` };
  platform.send({ type: "tool.cancel", call_id });
  platform.send({ type: "tool.run", call_id, nonce: "n", name: "bash", input, input_url: null, timeout_ms: 5000 });
  expect(await bash("ls")).toMatchObject({ output: expect.not.stringContaining("overtaken") });
});

const sent: string[] = [];
const send = platform.send.bind(platform);
platform.send = (command) => {
  if (command["type"] === "tool.run") sent.push(String(command["call_id"]));
  send(command);
};
const lastCallId = (): string => sent.at(-1) ?? "";

/** Waits until a process with this command line is there, or is not. */
async function untilRunning(commandLine: string, wanted: boolean): Promise<void> {
  const until = Date.now() + 10_000;
  while (readdirSync("/proc").some((pid) => commandLineOf(pid) === commandLine) !== wanted) {
    if (Date.now() > until) throw new Error(`${commandLine}: ${wanted ? "not started" : "still running"}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function commandLineOf(pid: string): string {
  try {
    return /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim() : "";
  } catch {
    return "";
  }
}

test("a repeated run of a completed call sends its result again and does not run it again", async () => {
  const command = {
    type: "tool.run",
    call_id: "once",
    nonce: "n",
    name: "bash",
    input: { command: "echo ran >> count; wc -l < count" },
    input_url: null,
    timeout_ms: 5000,
  };
  platform.send(command);
  platform.send(command);
  await platform.next("sandbox.tool_completed", (frame) => frame.call_id === "once");
  platform.send(command);
  const twice = await platform.until(() => {
    const all = platform.framesOf("sandbox.tool_completed").filter((frame) => frame.call_id === "once");
    return all.length === 2 ? all : undefined;
  }, "the second completion");
  expect(twice.map(({ output }) => output.trim())).toEqual(["1", "1"]);
  expect(readFileSync(join(task.workspace, "count"), "utf8")).toBe("ran\n");
});

test("a result that was not acknowledged is sent again on the next link", async () => {
  platform.unacked.set("sandbox.tool_completed", 1);
  const first = await bash("echo kept");
  platform.dropLinks();
  const again = await platform.until(
    () => platform.framesOf("sandbox.tool_completed").filter((frame) => frame.call_id === first.call_id)[1],
    "the result again",
  );
  expect(again).toEqual(first);
  expect(platform.framesOf("sandbox.hello").length).toBeGreaterThanOrEqual(2);
  expect(await bash("echo on")).toMatchObject({ output: "on" });
});

test("a server that ends, and one that begins, while the link is down are told of once it is up", async () => {
  const [ends, begins] = [await freePort(), await freePort()];
  const serve = (port: number) =>
    `${process.execPath} -e 'require("http").createServer((q, s) => s.end()).listen(${port}, "127.0.0.1")' &`;
  const isOver = join(task.workspace, "over");
  await bash(`${serve(ends)} (until [ -e over ]; do sleep 0.05; done; kill $!; ${serve(begins)}) & echo`);
  await platform.next("sandbox.port_opened", ({ port }) => port === ends);
  platform.refuseWith = 503;
  platform.dropLinks();
  writeFileSync(isOver, "");
  while (!(await fetch(`http://127.0.0.1:${begins}`).catch(() => null))) await pause(50);
  // The toolbox looks each 500 ms.
  await pause(1500);
  // Other tests open ports as well.
  const told = () =>
    platform.frames.flatMap((frame) =>
      "port" in frame && [ends, begins].includes(frame.port) ? [[frame.type, frame.port]] : [],
    );
  expect(told()).toEqual([["sandbox.port_opened", ends]]);
  platform.refuseWith = null;
  await platform.next("sandbox.port_opened", ({ port }) => port === begins);
  expect(told().slice(1)).toEqual([
    ["sandbox.port_closed", ends],
    ["sandbox.port_opened", begins],
  ]);
});

test("the toolbox's death ends its calls with an error, and its restart works", async () => {
  const call = bash("echo begun; sleep 4");
  await platform.next("sandbox.tool_output", (frame) => frame.text === "begun");
  task.toolbox?.kill("SIGKILL");
  expect(await call).toMatchObject({
    is_error: true,
    output: "begun\nthe tool runner was restarted (killed: out of memory?)",
  });
  const waiting = bash("echo back");
  task.startToolbox();
  expect(await waiting).toMatchObject({ is_error: false, output: "back" });
}, 30_000);

test("calls of one step take effect in their order: files in a new folder, then what uses them", async () => {
  const writes = Array.from({ length: 6 }, (_, index) =>
    platform.runTool("write", { file_path: `new/folder/f${index}`, content: `${index}\n` }),
  );
  const used = platform.runTool("bash", { command: "cat new/folder/* | tr -d '\\n'" });
  const looked = platform.runTool("grep", { pattern: "5", path: "new/folder" });
  for (const write of writes) expect(await write).toMatchObject({ is_error: false });
  expect(await used).toMatchObject({ is_error: false, output: "012345" });
  expect((await looked).output).toContain("f5");
});
