import { readdirSync, readFileSync } from "node:fs";
import type { ToolboxReport } from "../../../containers/sandbox/src/link/toolbox-frame.ts";
import { rehearse } from "../../../containers/sandbox/src/supervisor/tools/rehearsal.ts";
import { ToolboxClient } from "../../../containers/sandbox/src/supervisor/tools/toolbox-client.ts";
import { SandboxTask } from "./support/sandbox-task.ts";

jest.setTimeout(60_000);

let task: SandboxTask;
let toolbox: ToolboxClient;
let onReport: (report: ToolboxReport) => void = () => undefined;
beforeAll(async () => {
  task = new SandboxTask();
  task.startToolbox();
  const nothing = () => undefined;
  toolbox = new ToolboxClient(task.sockets, {
    onReport: (report) => onReport(report),
    onLost: nothing,
    onGone: nothing,
  });
  void toolbox.keepConnected();
  while (!(await toolbox.connected(100)));
});
afterAll(async () => {
  toolbox.close();
  await task.stop();
});

/** Shells that the toolbox has started. */
function shells(): number {
  const pid = task.toolbox?.pid;
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).length;
}

let runs = 0;
function run(input: Record<string, unknown>): Promise<string> {
  const call_id = `call-${(runs += 1)}`;
  let output = "";
  return new Promise((resolve) => {
    onReport = (report) => {
      if (report.op === "output" && report.call_id === call_id) output += report.text;
      if (report.op === "completed" && report.call_id === call_id) resolve(output);
    };
    toolbox.send({ op: "run", call_id, name: "bash", input, timeout_ms: 20_000 });
  });
}

test("after a rehearsal a shell is open that differs from a new one in nothing, and the workspace is empty", async () => {
  expect(shells()).toBe(0);
  expect(await rehearse(toolbox)).toBe(true);
  expect(shells()).toBe(1);
  expect(readdirSync(task.workspace)).toEqual([]);
  const command = 'echo "$?:$!:$#:$-:$PWD:$OLDPWD"; env | sort; set -o; jobs; history; ls -A';
  const rehearsed = await run({ command });
  await run({ restart: true });
  expect(rehearsed).toContain("0::0:");
  expect(await run({ command })).toBe(rehearsed);
});

test("one that does not end is no rehearsal, and its late report is nobody's", async () => {
  task.toolbox?.kill("SIGSTOP");
  expect(await rehearse(toolbox, 200)).toBe(false);
  task.toolbox?.kill("SIGCONT");
  expect(await run({ command: "echo here" })).toBe("here");
});
