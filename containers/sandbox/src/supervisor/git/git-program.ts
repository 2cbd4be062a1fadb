import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";

/** What is said to every git process. Nothing else is: no file of the system, of a user or of people's code is read. */
const settings: Record<string, string> = {
  "core.hooksPath": "/dev/null",
  "core.fsmonitor": "false",
  "core.attributesFile": "/dev/null",
  "core.excludesFile": "/dev/null",
  "core.autocrlf": "false",
  "core.protectHFS": "true",
  "core.protectNTFS": "true",
  "core.symlinks": "true",
  "core.askPass": "/bin/false",
  "credential.helper": "",
  "protocol.allow": "never",
  "protocol.http.allow": "always",
  "protocol.https.allow": "always",
  "http.followRedirects": "false",
  "fetch.recurseSubmodules": "false",
  "submodule.recurse": "false",
  "fetch.fsckObjects": "true",
  // Sins of old commits and trees, which hosts take and nobody is hurt by.
  ...Object.fromEntries(
    ["badEmail", "badTimezone", "missingEmail", "missingNameBeforeEmail", "missingSpaceBeforeDate"]
      .concat(["missingSpaceBeforeEmail", "multipleAuthors", "zeroPaddedDate", "zeroPaddedFilemode"])
      .map((sin) => [`fetch.fsck.${sin}`, "ignore"]),
  ),
  // Always a pack: loose objects of what a stranger sends would be made one by one.
  "fetch.unpackLimit": "1",
  "gc.auto": "0",
  "maintenance.auto": "false",
  // The store is made anew at each start.
  "core.fsync": "none",
  // Memory: larger blobs are streamed, packs are mapped in small windows.
  "core.bigFileThreshold": "16m",
  "core.packedGitWindowSize": "32m",
  "core.packedGitLimit": "256m",
  "core.deltaBaseCacheLimit": "64m",
  "pack.threads": "2",
  "checkout.workers": "0",
};

/** Address space of each git process: what needs more is no repository for a sandbox. */
const memoryKilobytes = 1024 * 1024;
/** POSIX counts the limit of a file's size in these. */
const blockBytes = 512;
const limited = 'ulimit -c 0; ulimit -v "$1"; ulimit -f "$2"; shift 2; exec git "$@"';
const smallFileBytes = 16 * 1024 * 1024;
const maxErrorBytes = 16 * 1024;
const stopped = { SIGXFSZ: "a file would be too large", SIGKILL: "it was killed" };

export class GitFailed extends Error {
  readonly said: string;

  constructor(command: string, said: string) {
    super(`git ${command} failed: ${said.trim().split("\n").slice(-3).join("; ").slice(0, 300)}`);
    this.said = said;
  }
}

interface GitRun {
  gitdir: string;
  args: string[];
  /** The folder that files are written to. */
  workspace?: string;
  input?: Buffer;
  /** Beside the ones above; a credential stands here, never in an argument. */
  settings?: Record<string, string>;
  /** The longest file that it may write. */
  maxFileBytes?: number;
  maxOutputBytes?: number;
  /** An exit code that is no failure either. */
  alsoGood?: number;
  timeoutMs: number;
}

function environmentOf(run: Pick<GitRun, "gitdir" | "workspace" | "settings">): NodeJS.ProcessEnv {
  const entries = Object.entries({ ...settings, ...run.settings });
  return {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    HOME: "/nonexistent",
    LC_ALL: "C",
    GIT_DIR: run.gitdir,
    ...(run.workspace ? { GIT_WORK_TREE: run.workspace } : {}),
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: "http:https",
    GIT_CONFIG_COUNT: String(entries.length),
    ...Object.fromEntries(entries.map(([key], at) => [`GIT_CONFIG_KEY_${at}`, key])),
    ...Object.fromEntries(entries.map(([, value], at) => [`GIT_CONFIG_VALUE_${at}`, value])),
  };
}

/** The git program of the image: a process (and process group) of its own with capped memory. */
export function startGit(
  run: Pick<GitRun, "gitdir" | "args" | "workspace" | "settings" | "maxFileBytes">,
): ChildProcessWithoutNullStreams {
  const limits = [String(memoryKilobytes), String(Math.ceil((run.maxFileBytes ?? smallFileBytes) / blockBytes))];
  return spawn("/bin/sh", ["-c", limited, "sh", ...limits, ...run.args], {
    cwd: run.workspace ?? run.gitdir,
    env: environmentOf(run),
    detached: true,
  });
}

export function killGit({ pid }: { pid?: number | undefined }): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Runs git to its end; what it wrote to its standard output. Throws `GitFailed`. */
export function runGit(run: GitRun): Promise<Buffer> {
  const child = startGit(run);
  const [command = ""] = run.args;
  const output: Buffer[] = [];
  let [outputBytes, said, broken] = [0, "", ""];
  const breakOff = (why: string): void => {
    broken ||= why;
    killGit(child);
  };
  const timer = setTimeout(() => breakOff(`it took over ${run.timeoutMs} ms`), run.timeoutMs);
  child.stdout.on("data", (part: Buffer) => {
    outputBytes += part.length;
    if (outputBytes > (run.maxOutputBytes ?? maxErrorBytes)) breakOff("it says more than it may");
    else output.push(part);
  });
  child.stderr.on("data", (part: Buffer) => {
    if (said.length < maxErrorBytes) said += part.toString("latin1");
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(run.input);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      if ((code === 0 || (code !== null && code === run.alsoGood)) && !broken) return resolve(Buffer.concat(output));
      const ended = signal ? (stopped[signal as keyof typeof stopped] ?? signal) : `code ${code}`;
      reject(new GitFailed(command, broken || said || ended));
    });
  });
}

let found: Promise<boolean> | null = null;

/** Whether this image has the program. */
export function hasGit(): Promise<boolean> {
  found ??= runGit({ gitdir: "/", args: ["version"], timeoutMs: 10_000 }).then(
    () => true,
    () => false,
  );
  return found;
}
