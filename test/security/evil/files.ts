import { bash, byShell, byTool, tool, type Attack } from "./attack.ts";

const long = "a/".repeat(50_000);

/** Through the file tools, by path. */
export const fileAttacks: Attack[] = [
  byTool("read: up and out", "read", ({ witness }) => ({ file_path: `../../../../../..${witness}/secret` })),
  byTool("read: absolute", "read", ({ witness }) => ({ file_path: `${witness}/secret` })),
  byTool("read: the first process's environment", "read", () => ({ file_path: "/proc/1/environ" })),
  byTool("read: by its own root", "read", ({ witness }) => ({ file_path: `/proc/self/root${witness}/secret` })),
  byTool("read: a null character in the path", "read", () => ({ file_path: "a\0/../../etc/passwd" })),
  byTool("read: a path of 100,000 characters", "read", () => ({ file_path: `${long}x` })),
  byTool("read: the parent by a folder that is there", "read", () => ({ file_path: "/workspace/../etc/passwd" })),
  byTool("read: the input is of the wrong types", "read", () => ({
    file_path: { toString: "/etc/passwd" },
    view_range: "1",
  })),
  {
    name: "read, write, edit, glob, grep: through links to outside",
    acts: ({ witness, secret }) => [
      bash(
        `ln -sfn ${witness} linked; ln -sfn ${witness}/planted dangling; ln -sfn /proc/1/environ env; ln -sfn / top`,
      ),
      tool("read", { file_path: "linked/secret" }),
      tool("read", { file_path: "env" }),
      tool("read", { file_path: "top/etc/passwd" }),
      tool("write", { file_path: "linked/planted", content: "x" }),
      tool("write", { file_path: "dangling", content: "x" }),
      tool("edit", { file_path: "linked/secret", old_string: secret, new_string: "gone" }),
      tool("glob", { pattern: "linked/**" }),
      tool("glob", { pattern: "**/*", path: "linked" }),
      tool("grep", { pattern: "WITNESS", path: "linked" }),
      tool("grep", { pattern: "WITNESS", path: "top/proc" }),
      bash("rm linked dangling env top"),
    ],
    holds: (outcomes) => {
      for (const { name, output, isError } of outcomes.slice(1, 7)) {
        expect({ name, output, isError }).toEqual({ name, output, isError: true });
        expect(output).not.toMatch(/root:x:|BOOT_SECRET/);
      }
    },
  },
  {
    name: "write: a link that is swapped while it is written",
    acts: ({ witness }) => [
      bash(
        `mkdir -p real; (timeout 3 bash -c 'while :; do ln -sfn ${witness} swap; rm -f swap; ln -sfn real swap; done' >/dev/null 2>&1 &)`,
      ),
      ...Array.from({ length: 8 }, (_, at) => tool("write", { file_path: `swap/planted-${at}`, content: "x" })),
      bash("sleep 1; rm -rf swap real"),
    ],
  },
  byTool("write: up and out", "write", ({ witness }) => ({ file_path: `../../../..${witness}/planted`, content: "x" })),
  byTool("write: absolute", "write", ({ witness }) => ({ file_path: `${witness}/planted`, content: "x" })),
  byTool("write: the toolbox's own program", "write", () => ({ file_path: "/app/toolbox.mjs", content: "x" })),
  byTool("write: the supervisor's program", "write", () => ({ file_path: "/app/supervisor.mjs", content: "x" })),
  byTool("write: the socket of the toolbox", "write", () => ({ file_path: "/run/sandbox/toolbox.sock", content: "x" })),
  byTool("write: the kernel's core pattern", "write", () => ({
    file_path: "/proc/sys/kernel/core_pattern",
    content: "|/x",
  })),
  byTool("write: the memory of the first process", "write", () => ({ file_path: "/proc/1/mem", content: "x" })),
  byTool("write: content that is no text", "write", () => ({ file_path: "odd", content: [{ a: 1 }] })),
  byTool("edit: outside", "edit", ({ witness, secret }) => ({
    file_path: `${witness}/secret`,
    old_string: secret,
    new_string: "gone",
  })),
  byTool("edit: the users of the machine", "edit", () => ({
    file_path: "/etc/passwd",
    old_string: "root:x:0:0",
    new_string: "root::0:0",
    replace_all: true,
  })),
  byTool("edit: the toolbox's own program", "edit", () => ({
    file_path: "../app/toolbox.mjs",
    old_string: "import",
    new_string: "process.exit();import",
  })),
  byTool("glob: from the root", "glob", () => ({ pattern: "../../**/secret", path: "/" })),
  byTool("glob: the witness", "glob", ({ witness }) => ({ pattern: "*", path: witness })),
  byTool("glob: every environment", "glob", () => ({ pattern: "/proc/*/environ" })),
  byTool("grep: outside", "grep", ({ witness }) => ({ pattern: "WITNESS", path: witness })),
  byTool("grep: everything", "grep", () => ({ pattern: "WITNESS|BOOT_SECRET=", path: "/" })),
  {
    name: "grep: options of ripgrep in pattern and path",
    acts: ({ witness }) => [
      bash("printf '#!/bin/sh\\ntouch /workspace/by-ripgrep-$(id -u)\\ncat' > pre.sh; chmod +x pre.sh"),
      tool("grep", { pattern: "--pre=/workspace/pre.sh" }),
      tool("grep", { pattern: "x", path: "--pre=/workspace/pre.sh" }),
      tool("grep", { pattern: `--file=${witness}/secret` }),
      tool("grep", { pattern: "(a+)+$", path: "." }),
      bash("ls; rm pre.sh"),
    ],
    holds: (outcomes) => expect(outcomes.at(-1)?.output).not.toContain("by-ripgrep"),
  },
  byShell(
    "bash: hard links and copies of what is not its own",
    ({ witness }) =>
      `ln /app/toolbox.mjs own 2>&1 && echo EFFECT:linked; ln ${witness}/secret own; cp ${witness}/secret own; rm -f own`,
  ),
  byShell("bash: write to the machine's folders", ({ witness }) =>
    [
      "/",
      "/app",
      "/usr/bin",
      "/usr/local/bin",
      "/etc",
      "/etc/cron.d",
      "/home",
      "/run",
      "/opt",
      "/var/lib/sandbox",
      witness,
    ]
      .map((path) => `touch ${path}/planted 2>/dev/null && echo EFFECT:${path}`)
      .join("; "),
  ),
  byShell(
    "bash: overwrite programs in place",
    [
      "for f in /app/*.mjs /usr/bin/git /usr/local/bin/node /bin/bash /lib/*/libc.so.6 /etc/passwd /etc/resolv.conf /etc/hosts; do",
      '[ -e "$f" ] && { (echo x >> "$f") 2>/dev/null || chmod 777 "$f" 2>/dev/null || mv "$f" /tmp/ 2>/dev/null; } && echo "EFFECT:$f"; done',
    ].join(" "),
  ),
  byShell(
    "bash: search all that is seen for others' files",
    ({ victim, secret }) =>
      `timeout 8 grep -rlsI -e ${victim.text.slice(0, 6)}'${victim.text.slice(6)}' -e ${secret.slice(0, 6)}'${secret.slice(6)}' /tmp /home /run /etc /var /workspace /dev/shm 2>/dev/null | sed s/^/EFFECT:/`,
  ),
];
