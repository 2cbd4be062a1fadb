import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { findPrograms } from "../../infra/local/ecs/programs.ts";
import { FileEvents } from "../../containers/sandbox/src/supervisor/workspace/file-events.ts";
import { WorkspaceWatcher } from "../../containers/sandbox/src/supervisor/workspace/workspace-watcher.ts";
import { ToolboxClient } from "../../containers/sandbox/src/supervisor/tools/toolbox-client.ts";
import { shellTask, startTestEcs, stopTestEcs, type TestEcs } from "../../test/support/test-ecs.ts";
import { startClaims } from "./claims.ts";
import { milliseconds, ratio, row } from "./figures.ts";
import { probe, probes } from "./isolation.ts";
import { processesOf, pssOf } from "./processes.ts";

const creates = Number(process.env["BENCH_ROUNDS"] ?? 20);
const commands = 50 * creates;
const eventRounds = 100;
/** The worker's code and the functions are warm by then. */
const warmUps = 3;
const callTimeoutMs = 20_000;
const appDirectory = resolve(import.meta.dirname, "../../dist/sandbox");
const run = promisify(execFile);

interface Sandbox {
  taskArn: string;
  command: (text: string) => Promise<{ isError: boolean; output: string }>;
  close: () => void;
}

async function timed(what: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await what();
  return performance.now() - before;
}

function spawned(program: string, args: string[]): Promise<void> {
  return new Promise((done, failed) => {
    const child = spawn(program, args, { stdio: "ignore" });
    child.once("error", failed);
    child.once("close", () => done());
  });
}

const plainSpawn = () => spawned("sh", ["-c", "true"]);
const { node } = findPrograms(resolve(import.meta.dirname, "../../node_modules"));
/** What no program for Node starts faster than. */
const emptyNode = () => spawned(node, ["-e", "0"]);

/** bubblewrap with every namespace and nothing of ours in it: what isolation alone costs. */
async function bareBubblewrap(): Promise<void> {
  const mounts = ["/usr", "/bin", "/lib", "/lib64"].flatMap((path) => ["--ro-bind-try", path, path]);
  await run("bwrap", [
    "--unshare-all",
    "--die-with-parent",
    ...mounts,
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "sh",
    "-c",
    "true",
  ]);
}

/** A task as the platform launches it (two isolated containers), and the real toolbox in it, spoken to as the supervisor does. */
async function create(ecs: TestEcs): Promise<Sandbox> {
  const { taskArn } = await ecs.run();
  const sockets = join(ecs.directory, "tasks", taskArn.slice(taskArn.lastIndexOf("/") + 1), "volumes/sockets");
  const calls = new Map<string, { output: string; done: (answer: { isError: boolean; output: string }) => void }>();
  const toolbox = new ToolboxClient(sockets, {
    onReport: (report) => {
      if (!("call_id" in report)) return;
      const call = calls.get(report.call_id);
      if (report.op === "output" && call) call.output += report.text;
      if (report.op === "completed") call?.done({ isError: report.is_error, output: call.output });
    },
    onLost: () => undefined,
    onGone: () => undefined,
  });
  void toolbox.keepConnected();
  if (!(await toolbox.connected(callTimeoutMs))) throw new Error("no toolbox");
  return {
    taskArn,
    command: (text) =>
      new Promise((done) => {
        const call_id = randomUUID();
        calls.set(call_id, { output: "", done: (answer) => (calls.delete(call_id), done(answer)) });
        toolbox.send({ op: "run", call_id, name: "bash", input: { command: text }, timeout_ms: callTimeoutMs });
      }),
    close: () => toolbox.close(),
  };
}

async function measureEvents(): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), "bench-events-"));
  const path = join(folder, "workspace");
  mkdirSync(path);
  let told: () => void = () => undefined;
  const events = new FileEvents({ send: () => told(), exists: () => "file", isKnown: () => true, byOf: () => "user" });
  const handlers = { onFault: () => undefined, isSkipped: () => false, onUnreadable: () => undefined };
  const onChange = (changed: string): void => events.add(changed);
  const watcher = new WorkspaceWatcher(path, join(folder, "marks"), { ...handlers, onChange });
  watcher.start();
  const times: number[] = [];
  for (let round = 0; round < eventRounds; round += 1) {
    const event = new Promise<void>((done) => (told = done));
    times.push(
      await timed(async () => {
        writeFileSync(join(path, "file"), `${round}`);
        await event;
      }),
    );
    // Changes that follow each other at once are told together.
    await new Promise((done) => setTimeout(done, 300));
  }
  watcher.close();
  events.close();
  rmSync(folder, { recursive: true, force: true });
  return times;
}

/** Create to first command, a command in a running sandbox, a file's change to its event; the isolation is proved in the same run. */
export async function measureSandbox(): Promise<void> {
  const environment = { WORKSPACE_DIR: "/workspace", SOCKET_DIR: "/run/sandbox" };
  const toolbox = { appDirectory, command: ["node", "--max-semi-space-size=1", "/app/toolbox.mjs"], environment };
  const ecs = await startTestEcs({ taskDefinitions: [shellTask({ toolbox })] });
  const claims = startClaims();
  try {
    const times: Record<"claim" | "create" | "bubblewrap" | "node" | "spawn", number[]> = {
      claim: [],
      create: [],
      bubblewrap: [],
      node: [],
      spawn: [],
    };
    const before = new Set(processesOf());
    const first = await create(ecs);
    await probe(first);
    await new Promise((done) => setTimeout(done, 2000));
    const own = processesOf().filter((pid) => !before.has(pid));
    row("idle toolbox, and a stand-in beside it (PSS)", `${pssOf(own).toFixed(1)} MB in ${own.length} processes`);
    for (let round = 0; round < warmUps; round += 1) await claims.claim();
    for (let round = 0; round < creates; round += 1) {
      times.spawn.push(await timed(plainSpawn));
      times.bubblewrap.push(await timed(bareBubblewrap));
      times.node.push(await timed(emptyNode));
      times.create.push(
        await timed(async () => {
          const sandbox = await create(ecs);
          await sandbox.command("true");
          sandbox.close();
        }),
      );
      times.claim.push(await claims.claim());
    }
    const command: number[] = [];
    const spawns: number[] = [];
    for (let round = 0; round < commands; round += 1) {
      spawns.push(await timed(plainSpawn));
      command.push(await timed(() => first.command("true")));
    }
    await probe(first);
    first.close();
    const floor = times.node.map((ms, round) => ms + (times.bubblewrap[round] ?? 0));
    row("plain spawn sh -c true", milliseconds(times.spawn));
    row("bubblewrap alone, sh -c true", milliseconds(times.bubblewrap));
    row("an empty program for Node", milliseconds(times.node));
    row("create to first command", milliseconds(times.create));
    row("  to plain spawn", ratio(times.create, times.spawn));
    row("  to bubblewrap and an empty program for Node", ratio(times.create, floor));
    row("  bubblewrap alone to plain spawn", ratio(times.bubblewrap, times.spawn));
    row("a waiting one claimed, to its first command", milliseconds(times.claim));
    row("  to plain spawn", ratio(times.claim, times.spawn));
    row("command in the running sandbox", milliseconds(command));
    row("  to plain spawn", ratio(command, spawns));
    row("file change to event", milliseconds(await measureEvents()));
    console.log(`isolation: ${Object.keys(probes).join(", ")}: held before and after`);
  } finally {
    claims.stop();
    await stopTestEcs();
  }
}
