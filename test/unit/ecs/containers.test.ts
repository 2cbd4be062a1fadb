import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loopbackAddresses } from "../../../infra/local/ecs/addresses.ts";
import { bubblewrapLaunch, type ContainerSpec } from "../../../infra/local/ecs/bubblewrap.ts";
import { detectLimits } from "../../../infra/local/ecs/limits.ts";
import { identityOf } from "../../../infra/local/ecs/root-filesystem.ts";
import { seccompProgram } from "../../../infra/local/ecs/seccomp.ts";
import { parseTaskDefinition } from "../../../infra/local/ecs/task-definition.ts";

const spec: ContainerSpec = {
  rootArguments: ["--ro-bind", "/usr", "/usr"],
  mounts: [{ from: "/state/workspace", to: "/workspace", readOnly: false }],
  environment: { BOOT_SECRET: "hush" },
  command: ["node", "/app/toolbox.mjs"],
  identity: { uid: 1000, gid: 1000 },
  hasNetwork: false,
  workingDirectory: "/workspace",
  limitCommand: [],
  joinFiles: [],
};
const optionsOf = (hidden: Buffer) => hidden.toString("utf8").split("\0");

describe("the command line of a container", () => {
  it.each([true, false])("never shows its environment (as root: %s)", (privileged) => {
    const { program, argv, hidden } = bubblewrapLaunch(spec, privileged, true);
    expect([program, ...argv].join(" ")).not.toContain("hush");
    expect(optionsOf(hidden).join(" ")).toContain("--clearenv --setenv BOOT_SECRET hush");
  });

  it.each([true, false])("drops everything and ends with its parent (as root: %s)", (privileged) => {
    const options = optionsOf(bubblewrapLaunch(spec, privileged, true).hidden);
    for (const option of [
      "--unshare-pid",
      "--unshare-ipc",
      "--unshare-uts",
      "--unshare-net",
      "--die-with-parent",
      "--new-session",
      "--seccomp",
    ])
      expect(options).toContain(option);
    expect(options.join(" ")).toContain("--cap-drop ALL");
  });

  it("keeps the network only where it is asked for", () => {
    expect(optionsOf(bubblewrapLaunch({ ...spec, hasNetwork: true }, true, true).hidden)).not.toContain(
      "--unshare-net",
    );
  });

  it("becomes the container's user: by setpriv as root, else by a user namespace", () => {
    expect(bubblewrapLaunch(spec, true, true).argv.join(" ")).toContain(
      "setpriv --reuid 1000 --regid 1000 --clear-groups",
    );
    const unprivileged = bubblewrapLaunch(spec, false, true);
    expect(unprivileged.argv.join(" ")).not.toContain("setpriv");
    expect(optionsOf(unprivileged.hidden).join(" ")).toContain("--unshare-user --uid 1000 --gid 1000");
  });

  it("joins its control groups before it becomes anything", () => {
    const { program, argv } = bubblewrapLaunch(
      { ...spec, joinFiles: ["/a/cgroup.procs", "/b/cgroup.procs"] },
      true,
      true,
    );
    expect(program).toBe("bash");
    expect(argv.slice(2, 7)).toEqual(["bash", "2", "/a/cgroup.procs", "/b/cgroup.procs", "bwrap"]);
  });
});

it.each([
  ["1000", { uid: 1000, gid: 1000 }],
  ["1001", { uid: 1001, gid: 1000 }],
  ["1001:1001", { uid: 1001, gid: 1001 }],
  ["2000", { uid: 2000, gid: 2000 }],
])("user %s is %j", (user, identity) => {
  expect(identityOf(user)).toEqual(identity);
});

it.each([null, "", "0", "root", "0:1000", "1000:0", "1000:user", "-1"])("user %j is refused", (user) => {
  expect(() => identityOf(user)).toThrow(/uid other than 0/);
});

it("gives every task its own loopback address, and a free one again", () => {
  const addresses = loopbackAddresses(Math.random);
  const taken = Array.from({ length: 500 }, () => addresses.take());
  expect(new Set(taken).size).toBe(500);
  expect(taken.every((address) => /^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./.test(address))).toBe(true);
  const draws = [0, 0, 0.5];
  const scripted = loopbackAddresses(() => draws.shift() ?? 0);
  expect([scripted.take(), scripted.take()]).toEqual(["127.64.0.1", "127.96.0.0"]);
  scripted.release("127.64.0.1");
  expect(scripted.take()).toBe("127.64.0.1");
});

describe("the filter of system calls", () => {
  /** Interprets the few instructions that the filter uses. */
  function run(program: Buffer, call: { number: number; architecture: number; argument?: number }): number {
    const data = new Map([
      [0, call.number],
      [4, call.architecture],
      [16, call.argument ?? 0],
    ]);
    let accumulator = 0;
    for (let at = 0; at < program.length; at += 8) {
      const [code, whenTrue, whenFalse, value] = [
        program.readUInt16LE(at),
        program.readUInt8(at + 2),
        program.readUInt8(at + 3),
        program.readUInt32LE(at + 4),
      ];
      if (code === 0x06) return value;
      if (code === 0x20) accumulator = data.get(value) ?? 0;
      else {
        const holds =
          code === 0x15 ? accumulator === value : code === 0x35 ? accumulator >= value : (accumulator & value) !== 0;
        at += (holds ? whenTrue : whenFalse) * 8;
      }
    }
    throw new Error("fell off the end");
  }
  const [allow, refuse, absent] = [0x7fff0000, 0x00050001, 0x00050026];
  const machines = {
    x64: { audit: 0xc000003e, read: 0, clone: 56, mount: 165, unshare: 272, keyctl: 250, bpf: 321 },
    arm64: { audit: 0xc00000b7, read: 63, clone: 220, mount: 40, unshare: 97, keyctl: 219, bpf: 280 },
  };

  it.each(Object.entries(machines))(
    "on %s refuses namespaces, mounts, keys and bpf, and nothing that programs need",
    (name, machine) => {
      const program = seccompProgram(name);
      if (program === null) throw new Error("no table");
      const answer = (number: number, argument?: number) =>
        run(program, { number, architecture: machine.audit, argument });
      for (const number of [machine.mount, machine.unshare, machine.keyctl, machine.bpf, 425, 428])
        expect(answer(number)).toBe(refuse);
      expect(answer(435)).toBe(absent);
      expect(answer(machine.read)).toBe(allow);
      expect(answer(machine.clone, 0x01200011)).toBe(allow);
      expect(answer(machine.clone, 0x10000011)).toBe(refuse);
      expect(run(program, { number: machine.read, architecture: 0x40000003 })).toBe(absent);
    },
  );

  it("refuses the x32 door, and has no table for what it does not know", () => {
    const program = seccompProgram("x64");
    expect(program && run(program, { number: 0x40000000 + 165, architecture: 0xc000003e })).toBe(absent);
    expect(seccompProgram("riscv64")).toBeNull();
  });
});

it("limits each process where control groups cannot be written", async () => {
  const root = mkdtempSync(join(tmpdir(), "no-cgroup-"));
  writeFileSync(join(root, "cgroup.controllers"), "cpu io");
  const limits = await detectLimits(root);
  rmSync(root, { recursive: true });
  expect(limits.description).toMatch(/not writable/);
  const { command, joinFiles } = await limits.fence("x", { memoryBytes: 1024, pids: 7 });
  expect(command.join(" ")).toMatch(/^prlimit --nproc=7 --data=\d+ --$/);
  expect(joinFiles).toEqual([]);
});

it("reads a task definition of the template", () => {
  const properties = {
    Family: "Sandbox",
    ExecutionRoleArn: "arn:aws:iam::1:role/x",
    Volumes: [{ Name: "workspace" }],
    ContainerDefinitions: [
      {
        Name: "supervisor",
        Image: "x",
        Command: ["node", "a"],
        Essential: true,
        User: "1001",
        Environment: [{ Name: "A", Value: "1" }],
        PortMappings: [{ ContainerPort: 8080 }],
      },
      {
        Name: "toolbox",
        Image: "x",
        Command: ["node", "b"],
        Essential: "false",
        Memory: "512",
        StopTimeout: 5,
        DockerLabels: { "sandbox.network": "isolated" },
        RestartPolicy: { Enabled: true, RestartAttemptPeriod: 60 },
        MountPoints: [{ SourceVolume: "workspace", ContainerPath: "/workspace", ReadOnly: false }],
      },
    ],
  };
  const task = parseTaskDefinition({ family: "Sandbox", arn: "arn:x:1", properties }, "/dist/sandbox");
  expect(task).toMatchObject({
    family: "Sandbox",
    arn: "arn:x:1",
    executionRoleArn: "arn:aws:iam::1:role/x",
    taskRoleArn: null,
    volumes: ["workspace"],
  });
  expect(task.containers[0]).toMatchObject({
    name: "supervisor",
    appDirectory: "/dist/sandbox",
    environment: { A: "1" },
    essential: true,
    memoryMiB: null,
    restartPolicy: null,
    stopTimeoutSeconds: 30,
    portMappings: [8080],
  });
  expect(task.containers[1]).toMatchObject({
    essential: false,
    memoryMiB: 512,
    stopTimeoutSeconds: 5,
    restartPolicy: { attemptPeriodSeconds: 60, ignoredExitCodes: [] },
    mountPoints: [{ volume: "workspace", path: "/workspace", readOnly: false }],
  });
  expect(() => parseTaskDefinition({ family: "x", arn: "y", properties: { ContainerDefinitions: [] } }, "/")).toThrow();
});
