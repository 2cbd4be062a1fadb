import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { listenOnLoopback } from "../../../infra/local/gateway/loopback.ts";
import { shellTask, startTestEcs, type TestEcs } from "../../support/test-ecs.ts";

/** What code of the AI, and of whoever talked it into something, can do from inside the toolbox. */
describe("from inside the toolbox", () => {
  let ecs: TestEcs;
  let taskArn: string;
  let secretDirectory: string;
  let trap: Server;
  let trapPort: number;
  let trapHits = 0;

  beforeAll(async () => {
    secretDirectory = mkdtempSync(join(tmpdir(), "host-secret-"));
    writeFileSync(join(secretDirectory, "secret"), "of the host", { mode: 0o644 });
    trap = createServer();
    trap.on("connection", (socket) => {
      trapHits++;
      socket.end("reached");
    });
    trapPort = await listenOnLoopback(trap, 0);
    ecs = await startTestEcs({ taskDefinitions: [shellTask({ toolbox: { memoryMiB: 192 } })], pidsPerContainer: 64 });
    const overrides = {
      containerOverrides: [{ name: "supervisor", environment: [{ name: "BOOT_SECRET", value: "hush-hush" }] }],
    };
    ({ taskArn } = await ecs.run({ overrides }));
    await ecs.ready(taskArn);
    await supervisor(
      "echo private > /var/lib/sandbox/key && chmod 644 /var/lib/sandbox/key && chmod 755 /var/lib/sandbox",
    );
  });
  afterAll(async () => {
    await ecs.stop();
    trap.close();
    rmSync(secretDirectory, { recursive: true });
  });

  const toolbox = (command: string) => ecs.shell(taskArn, "toolbox", command);
  const supervisor = (command: string) => ecs.shell(taskArn, "supervisor", command);
  const connect = (host: string, port: number) => `timeout 3 bash -c 'exec 3<>/dev/tcp/${host}/${port} && cat <&3'`;

  it("the network is empty: no port of this machine, no metadata, no names, no internet", async () => {
    expect(await supervisor(connect("127.0.0.1", trapPort))).toMatchObject({ code: 0, output: "reached" });
    const hits = trapHits;
    const targets = ["127.0.0.1", "127.64.0.1", "0.0.0.0", "::1", "localhost"].map((host) => [host, trapPort] as const);
    const outside = [
      ["169.254.169.254", 80],
      ["169.254.170.2", 80],
      ["1.1.1.1", 53],
      ["8.8.8.8", 443],
    ] as const;
    for (const [host, port] of [...targets, ...outside]) {
      const { code } = await toolbox(connect(host, port));
      expect({ host, isReached: code === 0 }).toEqual({ host, isReached: false });
    }
    expect(trapHits).toBe(hits);
    expect((await toolbox("getent hosts example.com")).code).not.toBe(0);
    expect((await toolbox("cat /proc/net/dev | tail -n +3 | cut -d: -f1")).output.trim()).toBe("lo");
    expect(
      (
        await toolbox("cat /proc/net/route /proc/net/unix | grep -v -e Iface -e Num -e /run/sandbox | grep -c @")
      ).output.trim(),
    ).toBe("0");
  });

  it("its own loopback works, so that a server of the workspace can be tried", async () => {
    const script = `require("node:http").createServer((_, r) => r.end("hello")).listen(3000, "127.0.0.1", async function () { console.log(await (await fetch("http://127.0.0.1:3000")).text()); process.exit(); })`;
    expect((await toolbox(`node -e '${script}'`)).output).toBe("hello\n");
  });

  it("no file of this machine is there", async () => {
    const unseen = [
      "/root",
      homedir(),
      resolve("."),
      secretDirectory,
      ecs.directory,
      "/etc/shadow",
      "/etc/hostname",
      "/etc/ssh",
      "/var/log",
      "/var/run/docker.sock",
      "/sys",
      "/boot",
      "/srv",
      "/mnt",
      "/opt/cuda",
    ];
    for (const path of unseen.filter((each) => !["/workspace", "/"].includes(each))) {
      expect({ path, ...(await toolbox(`ls -A ${path} 2>/dev/null | head -3`)) }).toMatchObject({ path, output: "" });
    }
    expect(
      (await toolbox("ls /")).output
        .trim()
        .split("\n")
        .filter((name) => !/^(lib.*|s?bin)$/.test(name)),
    ).toEqual([
      "app",
      "dev",
      "etc",
      "home",
      ...((await toolbox("test -d /opt && echo opt")).output === "opt\n" ? ["opt"] : []),
      "proc",
      "run",
      "tmp",
      "usr",
      "workspace",
    ]);
    expect(
      (
        await toolbox(
          "find / -xdev -name secret -not -path '/proc/*' 2>/dev/null; grep -rl 'of the host' /tmp /home /run 2>/dev/null",
        )
      ).output,
    ).toBe("");
    expect((await toolbox("ls /home; cut -d: -f1 /etc/passwd | sort | tr '\\n' ' '")).output).toBe(
      "user\nnobody root supervisor user ",
    );
  });

  it("nothing but the workspace, its home and temporary folders can be written", async () => {
    for (const path of [
      "/",
      "/app",
      "/usr",
      "/usr/local/bin",
      "/usr/bin",
      "/etc",
      "/home",
      "/run",
      "/proc/sys/kernel",
      "/opt",
    ]) {
      expect({ path, ...(await toolbox(`touch ${path}/planted`)) }).toMatchObject({ path, code: 1 });
    }
    expect((await toolbox("echo x >> /app/shell.mjs")).code).not.toBe(0);
    expect((await toolbox("echo x > /usr/local/bin/node")).code).not.toBe(0);
    for (const path of ["/workspace", "/home/user", "/tmp", "/dev/shm"])
      expect((await toolbox(`touch ${path}/mine`)).code).toBe(0);
  });

  it("no other process is seen or reached", async () => {
    const { output } = await toolbox("for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done");
    expect(output).not.toMatch(/supervisor|jest|--setenv/);
    expect(output.split("\n").filter(Boolean).length).toBeLessThan(10);
    const supervisorPid = (await supervisor("readlink /proc/self/ns/pid")).output;
    expect((await toolbox("readlink /proc/self/ns/pid")).output).not.toBe(supervisorPid);
    expect((await toolbox(`kill -0 ${process.pid}; kill -9 ${process.pid}`)).code).not.toBe(0);
    await toolbox("for n in $(seq 3 400); do kill -0 $n 2>/dev/null; done; true");
    expect((await supervisor("echo alive")).output).toBe("alive\n");
  });

  it("the supervisor's secrets are out of reach", async () => {
    expect((await supervisor("cat /var/lib/sandbox/key; echo $BOOT_SECRET")).output).toBe("private\nhush-hush\n");
    expect((await toolbox("ls -A /var/lib/sandbox /var 2>/dev/null")).output).toBe("");
    expect((await toolbox("env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'")).output).not.toMatch(
      /hush|BOOT|METADATA|AWS/,
    );
    expect((await toolbox("grep -rs hush-hush / --exclude-dir=proc --exclude-dir=usr --exclude-dir=sys")).output).toBe(
      "",
    );
    // Not even the supervisor's own process list shows it: the environment goes through a descriptor.
    expect((await supervisor("cat /proc/1/cmdline")).output).not.toMatch(/hush|BOOT_SECRET/);
  });

  it("there are no capabilities, no new privileges, and a filter", async () => {
    const { output } = await toolbox("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; id -u; id -G");
    const lines = output.split("\n");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect(lines).toContain(`${set}:\t0000000000000000`);
    expect(lines).toEqual(expect.arrayContaining(["NoNewPrivs:\t1", "Seccomp:\t2", "1000"]));
    expect(
      (
        await toolbox(
          "find / -xdev -perm -4000 -type f 2>/dev/null | head -1 | xargs -r -n1 sh -c 'command -v su sudo; su -c id 2>&1'",
        )
      ).output,
    ).not.toMatch(/uid=0/);
    expect((await toolbox("unshare -Ur id")).code).not.toBe(0);
    expect((await toolbox("unshare -r -m mount -t tmpfs none /tmp")).code).not.toBe(0);
    expect((await toolbox("mount -t tmpfs none /workspace; nsenter -t 1 -m true")).code).not.toBe(0);
    const keyctl = `python3 -c 'import ctypes, platform; libc = ctypes.CDLL(None, use_errno=True); print(libc.syscall(250 if platform.machine() == "x86_64" else 219, 0, -4, 0), ctypes.get_errno())'`;
    expect((await toolbox(keyctl)).output.trim()).toBe("-1 1");
  });

  it("no descriptor of the platform came along", async () => {
    const { output } = await toolbox(
      "ls -l /proc/$PPID/fd | grep -c -e socket: -e pipe: -e /dev/null -e anon_inode; ls -l /proc/$PPID/fd | awk '{print $NF}' | grep -E '^/' | grep -v -e /dev/null -e /run/sandbox",
    );
    expect(output.split("\n").slice(1).join("")).toBe("");
  });

  it("its programs and the supervisor's belong to different users, where the platform runs as root", async () => {
    if (process.getuid?.() !== 0) return console.warn("not root: one uid for both, see the description of the sandbox");
    await supervisor("umask 077; echo mine > /workspace/private");
    expect((await toolbox("cat /workspace/private")).code).not.toBe(0);
    expect((await toolbox("stat -c %u /workspace/private")).output).toBe("1001\n");
  });

  it("a memory bomb ends itself, the supervisor and the toolbox live", async () => {
    const bomb = `python3 -c 'a = []
while True: a.append(bytearray(8 * 1024 * 1024))'`;
    expect((await toolbox(bomb)).code).not.toBe(0);
    expect((await toolbox("echo still")).output).toBe("still\n");
    expect((await supervisor("echo alive")).output).toBe("alive\n");
  });

  it("a fork bomb runs into its own limit, the supervisor lives", async () => {
    const bomb = `python3 -c '
import os, time
made = 0
try:
    while made < 5000:
        if os.fork() == 0:
            time.sleep(2)
            os._exit(0)
        made += 1
except BlockingIOError:
    pass
print(made)'`;
    const { output } = await toolbox(bomb);
    expect(Number(output)).toBeGreaterThan(5);
    expect(Number(output)).toBeLessThan(64);
    expect((await supervisor("echo alive; node -e 'console.log(1)'")).output).toBe("alive\n1\n");
  });

  it("files in memory cannot use the memory up, files in /tmp are not in memory", async () => {
    expect((await toolbox("head -c 400M /dev/zero > /dev/shm/full")).output).toMatch(/No space left/);
    expect(
      (await toolbox("rm /dev/shm/full; head -c 400M /dev/zero > /tmp/full && stat -c %s /tmp/full; rm /tmp/full"))
        .output,
    ).toBe(`${400 * 1024 * 1024}\n`);
  });
});
