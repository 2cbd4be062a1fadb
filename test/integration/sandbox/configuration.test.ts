import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import type { SandboxConfiguration } from "../../../shared/protocol/sandbox-config.ts";
import { FakePlatform } from "./support/fake-platform.ts";
import { SandboxTask } from "./support/sandbox-task.ts";

// Each test starts real processes, which a busy machine takes its time for.
jest.setTimeout(40_000);

const secret = "hunter2-correct/horse+battery";
const empty: SandboxConfiguration = {
  network: { policy: "none", allow: [] },
  setup: [],
  environment: {},
  secret: [],
  missing: [],
};

let platform: FakePlatform;
let task: SandboxTask;
const bash = (command: string) => platform.runTool("bash", { command });

async function start(configuration: Partial<SandboxConfiguration>): Promise<void> {
  platform = new FakePlatform();
  platform.configuration = { ...empty, ...configuration };
  task = new SandboxTask();
  await platform.start();
  await task.start(platform);
  await platform.next("sandbox.ready");
}

async function stop(): Promise<void> {
  await task.stop();
  platform.stop();
}

describe("a configuration", () => {
  beforeAll(() =>
    start({
      setup: [
        "cd /tmp && export LEFT=behind; echo from $PLAIN; sleep 0.2; echo $TOKEN",
        "echo second > setup-of-the-test; pwd",
      ],
      environment: { PLAIN: "a plain value", TOKEN: secret },
      secret: ["TOKEN"],
    }),
  );
  afterAll(stop);

  test("its setup runs once, before any tool, and says what became of it", async () => {
    const { output } = await bash("cat /tmp/setup-of-the-test; rm /tmp/setup-of-the-test; pwd; echo left:$LEFT");
    expect(output).toBe(`second\n${task.workspace}\nleft:`);
    const types = platform.frames.map(({ type }) => type);
    const at = (type: string) => types.indexOf(type as never);
    expect(at("sandbox.setup_started")).toBeGreaterThan(-1);
    expect(at("sandbox.setup_completed")).toBeLessThan(at("sandbox.tool_completed"));
    expect(platform.framesOf("sandbox.setup_completed")).toMatchObject([{ ok: true, command: null, exit_code: 0 }]);
    const shown = platform.framesOf("sandbox.setup_output").map(({ text }) => text);
    expect(shown.join("")).toContain("from a plain value");
    expect(shown.join("")).toContain("[TOKEN redacted]");
  });

  test("commands have its variables, and nobody sees a secret one in what they print", async () => {
    const printed = await bash(
      `echo "$PLAIN $TOKEN"; echo "$TOKEN" >&2; for n in 1 2 3; do printf '%s' "\${TOKEN:0:10}"; sleep 0.3; printf '%s\\n' "\${TOKEN:10}"; done; printf '%s' "a:$TOKEN" | base64; printf '%s' "$TOKEN" | od -An -tx1 | tr -d ' \\n'; echo; env | grep TOKEN; set -x; true "$TOKEN"; set +x`,
    );
    expect(printed.output).toContain("a plain value [TOKEN redacted]");
    expect(printed.output.match(/\[TOKEN redacted\]/g)?.length).toBeGreaterThanOrEqual(8);
    const everything = JSON.stringify(platform.frames);
    expect(everything).not.toContain(secret);
    expect(everything).not.toContain(Buffer.from(`a:${secret}`).toString("base64").slice(8, -8));
    expect(everything).not.toContain(Buffer.from(secret).toString("hex"));
    const live = platform.framesOf("sandbox.tool_output").map(({ text }) => text);
    expect(live.length).toBeGreaterThan(1);
  });

  test("a file that holds it is not read out either", async () => {
    await bash("printf 'key=%s\\n' \"$TOKEN\" > .env");
    const { output } = await platform.runTool("read", { file_path: ".env" });
    expect(output).toMatch(/key=\[TOKEN redacted\]/);
    await bash("rm .env");
  });

  test("it is on no command line, in no file, in no log, and not in the environment of the two programs", async () => {
    const seen = bash("sleep 1.5; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c hunter[2]-correct");
    await new Promise((done) => setTimeout(done, 800));
    const lines = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
      .map((pid) => tryRead(`/proc/${pid}/cmdline`));
    expect(lines.filter((line) => line.includes(secret))).toEqual([]);
    expect((await seen).output.startsWith("0")).toBe(true);
    for (const child of [task.supervisor, task.toolbox])
      expect(tryRead(`/proc/${child?.pid}/environ`)).not.toContain(secret);
    expect(task.log).not.toContain(secret);
    const found = () => execFileSync("grep", ["-rlF", secret, task.folder], { encoding: "utf8" });
    expect(found).toThrow();
  });

  test("a change is used from the next command on, and what is gone is gone", async () => {
    platform.configuration = { ...empty, environment: { OTHER: "now" } };
    const asked = platform.framesOf("sandbox.read_configuration").length;
    platform.send({ type: "configure" });
    await platform.until(
      () => (platform.framesOf("sandbox.read_configuration").length > asked ? true : undefined),
      "another read",
    );
    await new Promise((done) => setTimeout(done, 100));
    const { output } = await bash('echo "$OTHER|$TOKEN|$PLAIN"');
    expect(output).toBe("now||");
  });
});

describe("a setup that fails", () => {
  beforeAll(() =>
    start({
      setup: ["echo fine", `echo broken $TOKEN; (exit 3)`, "touch never"],
      environment: { TOKEN: secret },
      secret: ["TOKEN"],
      missing: [{ name: "ABSENT", reason: "there is no such secret" }],
    }),
  );
  afterAll(stop);

  test("is told to people and to the model, once, and tools run all the same", async () => {
    const first = await bash("echo here; ls");
    expect(first.is_error).toBe(false);
    expect(first.output).toMatch(
      /^\[setup: command 2 of sbx_config\.setup \(echo broken .*\) ended with exit code 3; what follows it did not run\..*broken \[TOKEN redacted\].*\[environment: ABSENT is not set: there is no such secret\]\nhere$/s,
    );
    expect(platform.framesOf("sandbox.setup_completed")).toMatchObject([
      { ok: false, command: 1, exit_code: 3, tail: "broken [TOKEN redacted]" },
    ]);
    expect((await bash("echo again")).output).toBe("again");
  });
});

function tryRead(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
