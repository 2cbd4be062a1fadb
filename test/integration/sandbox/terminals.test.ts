import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { controlKeyHeader, doorPath, type DoorAnswer, type DoorOp } from "../../../shared/protocol/door.ts";
import { terminalOps } from "../../../shared/protocol/terminal.ts";
import { FakePlatform } from "./support/fake-platform.ts";
import { SandboxTask } from "./support/sandbox-task.ts";
import type * as z from "zod";

jest.setTimeout(40_000);

const platform = new FakePlatform();
const task = new SandboxTask();
let terminals = 0;

beforeAll(async () => {
  await platform.start();
  await task.start(platform);
  await platform.next("sandbox.ready");
}, 30_000);

afterAll(async () => {
  await task.stop();
  platform.stop();
});

/** One question at the supervisor's door, as the relay asks it. Throws the code of a refusal. */
async function ask<Body extends z.ZodType, Result extends z.ZodType>(
  { name, result }: DoorOp<Body, Result>,
  body: z.input<Body>,
): Promise<z.output<Result>> {
  const response = await fetch(`http://127.0.0.1:${task.previewPort}${doorPath}${name}`, {
    method: "POST",
    headers: { [controlKeyHeader]: platform.controlKey },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as DoorAnswer;
  if ("error" in answer) throw new Error(answer.error.code);
  return result.parse(answer.result);
}

async function open(size = { cols: 80, rows: 24 }): Promise<string> {
  const terminal_id = `t${(terminals += 1)}`;
  expect(await ask(terminalOps.open, { terminal_id, ...size })).toMatchObject({
    terminal: { terminal_id, ...size },
  });
  return terminal_id;
}

const framesOf = (terminal_id: string) =>
  platform.framesOf("sandbox.terminal_output").filter((frame) => frame.terminal_id === terminal_id);
const shown = (terminal_id: string) =>
  framesOf(terminal_id)
    .map((frame) => frame.data)
    .join("");
const type = (terminal_id: string, data: string, more: { writer?: string; n?: number } = {}) =>
  platform.send({ type: "terminal.input", terminal_id, data, writer: "ada", ...more });
const close = (terminal_id: string) => platform.send({ type: "terminal.close", terminal_id });
const kept = (terminal_id: string, after = 0) => ask(terminalOps.attach, { terminal_id, after });
const see = (terminal_id: string, what: RegExp, withinMs = 15_000) =>
  platform.until(() => what.exec(shown(terminal_id)) ?? undefined, what.source, withinMs);
const closed = (terminal_id: string) =>
  platform.next("sandbox.terminal_changed", (f) => f.terminal_id === terminal_id && f.change === "closed");
const changes = (terminal_id: string) =>
  platform
    .framesOf("sandbox.terminal_changed")
    .filter((frame) => frame.terminal_id === terminal_id)
    .map(({ change }) => change);

/** Processes on this machine whose command line holds this. */
function running(needle: string): string[] {
  const all = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });
  return all.split("\n").filter((line) => line.includes(needle) && !line.includes("ps -eo"));
}

test("a terminal is a real one: it echoes, has its size, knows colours, and sees no more than a command does", async () => {
  const id = await open({ cols: 101, rows: 33 });
  type(id, "stty size; tty; echo $TERM; pwd; env | cut -d= -f1 | sort | tr '\\n' ,\n");
  await see(id, /33 101\r\n\/dev\/pts\/\d+\r\nxterm-256color\r\n/);
  await see(id, /\r\n([A-Z_a-z,]+,)\S*\r*\n?/);
  expect(shown(id)).toContain("stty size; tty");
  expect(shown(id)).not.toContain("SECRET_OF_THE_IMAGE");
  const [, names = ""] = await see(id, /\r\n([A-Z_a-z,]{20,},)/);
  const { output } = await platform.runTool("bash", { command: "env | cut -d= -f1 | sort | tr '\\n' ," });
  const own = ["COLORTERM", "COLUMNS", "LINES", "SHELL", "PS1", "TERM", "SHLVL", "PWD", "_", "LESSOPEN", "LESSCLOSE"];
  const ofCommands = output.split(",");
  expect(names.split(",").filter((name) => name && !own.includes(name) && !ofCommands.includes(name))).toEqual([
    ...(names.includes("MAIL") ? ["MAIL"] : []),
  ]);
  close(id);
  expect(await closed(id)).toMatchObject({ exit_code: null });
});

test("Ctrl-C ends what runs, the shell lives on, and a new size reaches the program", async () => {
  const id = await open();
  type(id, "sleep 1000; echo after=$?\n");
  await see(id, /sleep 1000/);
  await new Promise((resolve) => setTimeout(resolve, 300));
  type(id, "\u0003");
  type(id, "echo status=$?\n");
  await see(id, /status=130\r\n/);
  type(id, "trap 'echo size is $(stty size)' WINCH; echo trapped\n");
  await see(id, /[\r\n]trapped/);
  platform.send({ type: "terminal.resize", terminal_id: id, cols: 132, rows: 50 });
  await see(id, /size is 50 132/);
  expect(await kept(id)).toMatchObject({ terminal: { cols: 132, rows: 50 } });
  expect(changes(id)).toEqual(["opened", "resized"]);
  type(id, "exit 7\n");
  expect(await closed(id)).toMatchObject({ exit_code: 7, offset: shown(id).length });
  await expect(kept(id)).rejects.toThrow("not_found");
});

test("job control works, and a program that draws the whole screen gets its keys one by one", async () => {
  const id = await open();
  type(id, "sleep 77.125\n");
  await see(id, /sleep 77/);
  await new Promise((resolve) => setTimeout(resolve, 300));
  type(id, "\u001a");
  await see(id, /Stopped/);
  type(id, "kill %1; wait; echo over\n");
  await see(id, /[\r\n]over/);
  type(id, "stty raw -echo; printf '\\033[?1049h'; dd bs=1 count=3 2>/dev/null | od -c; stty sane; echo done\n");
  await see(id, /[^3]\[\?1049h/);
  type(id, "\u0003q\u001b");
  await see(id, /003\s+q 033/);
  close(id);
  await closed(id);
});

test("who attaches later gets what was shown, to the byte, from where it was left; two writers share the shell", async () => {
  const id = await open();
  type(id, 'for i in $(seq 1 300); do echo "line $i äöü 漢字 🦜"; done; echo fin""ished\n');
  await see(id, /[\r\n]finished/);
  const whole = shown(id);
  const first = await kept(id);
  expect(first.kept).toEqual({ offset: 0, data: expect.stringMatching(/finished/) });
  expect(first.kept.data.slice(0, whole.length)).toBe(whole);
  expect(first.terminals.map(({ terminal_id }) => terminal_id)).toEqual([id]);
  expect((await kept(id, 1000)).kept).toEqual({ offset: 1000, data: first.kept.data.slice(1000) });
  expect((await kept(id, 10_000_000)).kept.data).toBe("");
  const frames = framesOf(id);
  expect(frames.map(({ offset }) => offset)).toEqual(
    frames.map((_, at) => frames.slice(0, at).reduce((sum, { data }) => sum + data.length, 0)),
  );
  type(id, "A=from-ada\n", { writer: "ada" });
  type(id, "echo $A-and-bob\n", { writer: "bob" });
  await see(id, /[\r\n]from-ada-and-bob/);
  close(id);
  await closed(id);
});

test("numbered input that overtakes is put in order, a number twice is typed once", async () => {
  const id = await open();
  const text = "echo in-order-0123456789\n";
  const pieces = [...text].map((data, n) => ({ data, n }));
  const mixed = [...pieces].toSorted((a, b) => ((a.n * 7) % 25) - ((b.n * 7) % 25));
  for (const { data, n } of [...mixed, ...mixed]) type(id, data, { n });
  await see(id, /[\r\n]in-order-0123456789/);
  expect(shown(id).match(/[\r\n]in-order-0123456789/g)).toHaveLength(1);
  close(id);
  await closed(id);
});

test("a flood is held back at its source: bounded frames, bounded memory, and Ctrl-C still arrives", async () => {
  const id = await open();
  const processes = [task.supervisor?.pid, task.toolbox?.pid];
  const before = processes.map(memoryOf);
  type(id, "yes 0123456789abcdef\n");
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const sent = shown(id).length;
  type(id, "\u0003");
  type(id, 'echo en""ded\n');
  await see(id, /[\r\n]ended/);
  const grown = processes.map((pid, at) => Math.round(memoryOf(pid) - (before[at] ?? 0)));
  process.stdout.write(
    `terminal flood: ${Math.round(sent / 2048)} KB/s, supervisor and toolbox grew by ${grown.join(" and ")} MB\n`,
  );
  expect(sent).toBeGreaterThan(60_000);
  expect(sent).toBeLessThan(3_000_000);
  expect(Math.max(...framesOf(id).map(({ data }) => Buffer.byteLength(JSON.stringify(data))))).toBeLessThanOrEqual(
    16_384,
  );
  expect(Math.max(...grown)).toBeLessThan(60);
  const { terminal, kept: rest } = await kept(id);
  expect(rest.data).toHaveLength(256 * 1024);
  expect(rest.offset).toBe(terminal.start);
  expect(shown(id).slice(rest.offset)).toBe(rest.data.slice(0, shown(id).length - rest.offset));
  close(id);
  await closed(id);
});

test("control characters and cut bytes make no frame too large and no text that is none", async () => {
  const id = await open();
  type(id, "stty -echo\n");
  type(
    id,
    "head -c 40000 /dev/zero | tr '\\0' '\\1'; printf 'a\\303'; sleep 0.2; printf '\\244b\\n'; head -c 20000 /dev/urandom; echo; echo fin\"\"al\n",
  );
  await see(id, /[\r\n]final/);
  expect(shown(id)).toContain("aäb");
  expect(Math.max(...framesOf(id).map(({ data }) => Buffer.byteLength(JSON.stringify(data))))).toBeLessThanOrEqual(
    16_384,
  );
  close(id);
  await closed(id);
});

test("closing kills all that the shell started; kill -9 of the shell closes the terminal", async () => {
  const id = await open();
  type(
    id,
    "sleep 4321.25 & (trap '' HUP; sleep 4322.25) & nohup sleep 4323.25 >/dev/null 2>&1 & disown; sleep 0.3; echo go\"\"ne\n",
  );
  await see(id, /[\r\n]gone/);
  expect(running("sleep 432").filter((line) => line.startsWith("sleep"))).toHaveLength(3);
  close(id);
  await closed(id);
  await until(() => running("sleep 432").length === 0);
  const flood = await open();
  type(flood, "yes 4324.25\n");
  await see(flood, /4324.25\r\n4324.25/);
  close(flood);
  await closed(flood);
  await until(() => running("yes 4324.25").length === 0);
  const other = await open();
  type(other, "kill -9 $$\n");
  expect(await closed(other)).toMatchObject({ exit_code: 137 });
  expect((await ask(terminalOps.list, {})).terminals).toEqual([]);
});

test("eight at a time; the same id again is the same terminal; a key for a closed one says that it is closed", async () => {
  const ids = await Promise.all(Array.from({ length: 8 }, () => open()));
  await expect(ask(terminalOps.open, { terminal_id: "more", cols: 80, rows: 24 })).rejects.toThrow("conflict");
  const twice = await Promise.all(
    [1, 2].map(() => ask(terminalOps.open, { terminal_id: ids[0] ?? "", cols: 9, rows: 9 })),
  );
  expect(twice.map(({ terminal }) => terminal.cols)).toEqual([80, 80]);
  for (const terminal_id of ["../x", "", "a b"])
    await expect(ask(terminalOps.open, { terminal_id, cols: 80, rows: 24 })).rejects.toThrow("validation_failed");
  for (const id of ids) close(id);
  for (const id of ids) await closed(id);
  type("nobody", "x");
  expect(await closed("nobody")).toMatchObject({ exit_code: null, offset: 0 });
});

test("what was printed while the link was down is a gap in the offsets, and there for who attaches", async () => {
  const id = await open();
  type(id, 'for i in $(seq 1 60); do echo line-$i; sleep 0.02; done; echo en""ded\n');
  await see(id, /line-5\r/);
  platform.dropLinks();
  await platform.until(() => platform.framesOf("sandbox.hello")[1], "another link");
  await until(async () => (await kept(id)).kept.data.includes("\nended"));
  const { data } = (await kept(id)).kept;
  for (const frame of framesOf(id)) expect(data.slice(frame.offset, frame.offset + frame.data.length)).toBe(frame.data);
  expect(data.match(/line-\d+\r\n/g)).toHaveLength(60);
  close(id);
  await closed(id);
});

test("a toolbox that dies takes its terminals with it, and a new one opens new ones", async () => {
  const id = await open();
  type(id, 'echo hel""lo\n');
  await see(id, /[\r\n]hello/);
  task.toolbox?.kill("SIGKILL");
  expect(await closed(id)).toMatchObject({ exit_code: null });
  task.startToolbox();
  await platform.runTool("bash", { command: "true" });
  const next = await open();
  close(next);
  await closed(next);
});

test("a sandbox that stops closes its terminals first", async () => {
  const id = await open();
  platform.send({ type: "stop", reason: "idle" });
  expect(await task.ended()).toBe(0);
  expect(await closed(id)).toMatchObject({ exit_code: null });
  const types = platform.frames.map((frame) => frame.type);
  expect(types.lastIndexOf("sandbox.terminal_changed")).toBeLessThan(types.indexOf("sandbox.stopping"));
});

/** Resident megabytes. */
function memoryOf(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200 && !(await holds()); tries += 1) await new Promise((done) => setTimeout(done, 50));
  expect(await holds()).toBe(true);
}
