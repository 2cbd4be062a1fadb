import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { sandboxesOf, sandboxOfSession } from "../../scripts/chaos/processes.ts";
import type { ServerEvent } from "../../shared/protocol/server-event.ts";
import type { Session } from "../../shared/protocol/session.ts";
import type { ApiSocket } from "../../scripts/demo/client.ts";
import { runTurn, signUp, startLocalPlatform, type Person } from "../support/local-platform.ts";

jest.setTimeout(120_000);

let local: Awaited<ReturnType<typeof startLocalPlatform>>;
let person: Person;
let socket: ApiSocket;

beforeAll(async () => {
  local = await startLocalPlatform({ warmSandboxes: 1 });
  person = await signUp(local.platform);
  socket = await person.api.connect(person.webSocketUrl);
});
afterAll(async () => {
  await socket.close();
  await local.platform.stop();
  local.forget();
});

const tasks = () => readdirSync(join(local.stateDir, "containers/tasks"));
/** How often a sandbox said that. */
const linesOf = (text: string) => {
  const log = join(local.stateDir, "logs/containers.log");
  return existsSync(log) ? readFileSync(log, "utf8").split(text).length - 1 : 0;
};

/** A further sandbox waits for its session. */
async function untilWarm(before: number): Promise<void> {
  local.platform.runSchedule("Sweeper");
  const end = performance.now() + 30_000;
  while (linesOf("waiting for a session") <= before) {
    if (performance.now() > end) throw new Error(`no warm sandbox: ${local.lines.slice(-30).join("\n")}`);
    await pause(50);
  }
  // Its hello is stored before its welcome is sent.
  await pause(100);
}

async function firstTool(command = "echo from the sandbox") {
  const { id } = await person.api.call<Session>("POST", "/sessions", {});
  await socket.ask({ type: "session.subscribe", session_id: id });
  const before = performance.now();
  let toolMs = Number.NaN;
  const events: ServerEvent[] = [];
  socket.onEvent((event) => {
    if (event.session_id !== id) return;
    events.push(event);
    if (event.type === "tool.completed" && Number.isNaN(toolMs)) toolMs = performance.now() - before;
  });
  const { ended } = await runTurn(socket, id, `rehearsal: bash ${command}`);
  return { id, ended, events, toolMs };
}

test("a session's first sandbox is one that waited; the next waits then, and each serves one session alone", async () => {
  await untilWarm(0);
  const waiting = tasks();
  expect(waiting).toHaveLength(1);
  const first = await firstTool(`echo one > marker-${randomUUID()}; ls`);
  expect(first.ended.data).toMatchObject({ reason: "completed", checkpoint: 1 });
  expect(sandboxOfSession(process.pid, first.id)[0]?.taskId).toBe(waiting[0]);
  await untilWarm(1);
  const second = await firstTool("ls -A /workspace");
  expect(second.ended.data.reason).toBe("completed");
  expect(sandboxOfSession(process.pid, second.id)[0]?.taskId).not.toBe(waiting[0]);
  const output = second.events.find(({ type }) => type === "tool.completed");
  expect(JSON.stringify(output)).not.toContain("marker");
  process.stderr.write(
    `prompt to first tool result, warm: ${first.toolMs.toFixed(0)}, ${second.toolMs.toFixed(0)} ms\n`,
  );
});

test("one that is killed -9 while it waits, or as it is claimed, keeps nobody waiting", async () => {
  await untilWarm(2);
  const owned = new Set(tasks());
  const waiting = sandboxesOf(process.pid).filter(({ program }) => program === "supervisor");
  expect(waiting.length).toBe(owned.size);
  // The newest is nobody's: both others have sessions.
  const pids = waiting.map(({ pid }) => pid).toSorted((a, b) => a - b);
  process.kill(pids.at(-1) ?? 0, "SIGKILL");
  const { ended, toolMs } = await firstTool();
  expect(ended.data.reason).toBe("completed");
  expect(toolMs).toBeLessThan(20_000);
  process.stderr.write(`prompt to first tool result, the warm one dead: ${toolMs.toFixed(0)} ms\n`);
});
